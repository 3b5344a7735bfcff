"""How many calls a registration may have: open at once, and begun in any minute. Pure.

Only registrations with a limit are counted. A worker keeps to its share of what is meant for the whole router.
"""

from collections import deque

from gateway_router.configuration import Registration

_MINUTE_S = 60.0
OPEN_WAIT_S = 1.0
"""Nobody knows when one of the open calls ends."""

_Name = tuple[str | None, str]


class ProviderTraffic:
    """`sharers` is the number of workers. Times are monotonic seconds; each `begin` is followed by an `end`."""

    def __init__(self, *, sharers: int = 1) -> None:
        self._sharers = sharers
        self._open: dict[_Name, int] = {}
        self._begun_s: dict[_Name, deque[float]] = {}

    def wait_s(self, registration: Registration, *, now_s: float) -> float:
        """Seconds until another call may begin; 0 when one may now."""
        most_open, per_minute = registration.max_open_calls, registration.requests_per_minute
        if most_open is None and per_minute is None:
            return 0.0
        name = registration.tenant_id, registration.name
        if most_open is not None and self._open.get(name, 0) >= self._share(most_open):
            return OPEN_WAIT_S
        begun_s = self._begun_s.get(name)
        if per_minute is None or not begun_s:
            return 0.0
        share = self._share(per_minute)
        return max(0.0, begun_s[-share] + _MINUTE_S - now_s) if len(begun_s) >= share else 0.0

    def begin(self, registration: Registration, *, now_s: float) -> None:
        name = registration.tenant_id, registration.name
        if registration.max_open_calls is not None:
            self._open[name] = self._open.get(name, 0) + 1
        if registration.requests_per_minute is not None:
            begun_s = self._begun_s.setdefault(name, deque())
            begun_s.append(now_s)
            while begun_s[0] <= now_s - _MINUTE_S:
                begun_s.popleft()

    def end(self, registration: Registration) -> None:
        if registration.max_open_calls is not None:
            name = registration.tenant_id, registration.name
            self._open[name] -= 1
            if not self._open[name]:
                del self._open[name]

    def _share(self, limit: int) -> int:
        return -(-limit // self._sharers)
