"""The limits of each key: a request rate and requests in flight. Pure; `now_ns` is monotonic nanoseconds."""

from collections.abc import Mapping

from gateway_edge.grant import Grant
from gateway_edge.key_states import KeyStates
from gateway_edge.rate_limit import MINUTE_NS, take_request
from gateway_shared.errors import RateLimitExceeded

_CONCURRENCY_RETRY_AFTER_S = 1.0
_NS_PER_S = 1_000_000_000


class LimitReached(RateLimitExceeded):
    """`limit` is `rate` or `concurrency`; `headers` tell the client where it stands."""

    def __init__(self, limit: str, message: str, *, retry_after_s: float, headers: Mapping[str, str]) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.limit = limit
        self.headers = headers


class KeyLimits:
    """Defaults apply where a key's plan says nothing."""

    def __init__(self, states: KeyStates, *, requests_per_minute: int, concurrent_requests: int) -> None:
        self._requests_per_minute = requests_per_minute
        self._concurrent_requests = concurrent_requests
        self._states = states
        self._next_sweep_ns = 0

    def __len__(self) -> int:
        return len(self._states)

    def admit(self, grant: Grant, *, now_ns: int) -> dict[str, str]:
        """Takes one request and one place in flight; give the place back with `release`, whatever happens.

        Returns the `x-ratelimit-*` header fields of the answer. Raises LimitReached, having taken nothing.
        """
        self._sweep(now_ns)
        per_minute = grant.requests_per_minute or self._requests_per_minute
        concurrent = grant.concurrent_requests or self._concurrent_requests
        state = self._states.get((grant.tenant_id, grant.key_id), now_ns=now_ns)
        if state.in_flight >= concurrent:
            raise LimitReached(
                "concurrency",
                f"Rate limit reached for this key: {concurrent} requests in flight at once.",
                retry_after_s=_CONCURRENCY_RETRY_AFTER_S,
                headers={},
            )
        decision = take_request(state.theoretical_arrival_ns, now_ns=now_ns, requests_per_minute=per_minute)
        headers = {
            "x-ratelimit-limit-requests": str(per_minute),
            "x-ratelimit-remaining-requests": str(decision.remaining),
            "x-ratelimit-reset-requests": duration_text(decision.reset_ns),
        }
        if not decision.allowed:
            raise LimitReached(
                "rate",
                f"Rate limit reached for this key: {per_minute} requests per minute.",
                retry_after_s=decision.retry_after_ns / _NS_PER_S,
                headers=headers,
            )
        state.theoretical_arrival_ns = decision.theoretical_arrival_ns
        state.enter()
        return headers

    def release(self, grant: Grant) -> None:
        """Gives back the place that `admit` took."""
        self._states.known((grant.tenant_id, grant.key_id)).leave()

    def _sweep(self, now_ns: int) -> None:
        """Once a minute."""
        if now_ns >= self._next_sweep_ns:
            self._next_sweep_ns = now_ns + MINUTE_NS
            self._states.forget_idle(now_ns=now_ns)


def duration_text(nanoseconds: int) -> str:
    """As OpenAI writes it: `12ms`, `1s`, `6m0s`; milliseconds are rounded up and told below a second only."""
    milliseconds = -(-nanoseconds // 1_000_000)
    if milliseconds < 1_000:
        return f"{milliseconds}ms"
    minutes, seconds = divmod(-(-milliseconds // 1_000), 60)
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
