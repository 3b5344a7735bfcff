"""Cool-downs: what a provider does not want to be asked for a while, with which of its keys. Pure.

A 429 is no failure of the provider: nothing is refused because of it, but others are asked first. A provider that says
how long (`Retry-After`) is believed.
"""

from typing import NamedTuple

DEFAULT_S = 5.0
"""After a 429 that does not say how long."""
KEY_REFUSED_S = 60.0
"""After a 401, 402 or 403: a key does not mend itself by the next call."""
MAX_S = 300.0
MAX_KEPT = 10_000


class Subject(NamedTuple):
    """One key of a registration, for one model or (None) for all."""

    tenant_id: str | None
    registration: str
    version: int
    key_number: int
    upstream_model: str | None = None


class CoolDowns:
    """Times are monotonic seconds."""

    def __init__(self) -> None:
        self._until_s: dict[Subject, float] = {}

    def __len__(self) -> int:
        return len(self._until_s)

    def rest(self, subject: Subject, seconds: float, *, now_s: float) -> None:
        """At least that long from now, and no longer than MAX_S."""
        if len(self._until_s) >= MAX_KEPT:
            self.forget_past(now_s)
        while len(self._until_s) >= MAX_KEPT:
            del self._until_s[next(iter(self._until_s))]
        until_s = now_s + min(seconds, MAX_S)
        self._until_s[subject] = max(until_s, self._until_s.get(subject, until_s))

    def is_resting(self, subject: Subject, *, now_s: float) -> bool:
        until_s = self._until_s.get(subject)
        return until_s is not None and now_s < until_s

    def resting(self, *, now_s: float) -> list[tuple[Subject, float]]:
        """All that rest, each with the seconds until its end."""
        return [(subject, until_s - now_s) for subject, until_s in self._until_s.items() if now_s < until_s]

    def forget_past(self, now_s: float) -> None:
        for subject in [subject for subject, until_s in self._until_s.items() if until_s <= now_s]:
            del self._until_s[subject]
