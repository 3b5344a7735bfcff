"""The circuit breaker of one model at one provider: closed, open, half-open. Pure.

Closed, calls go through and are counted. When many of the last ones failed it opens: calls are refused for a while,
longer each time. Then one call is let through to find out (half-open): its success closes the breaker, its failure
opens it again. (M. Nygard, Release It!, 5.2.)
"""

from dataclasses import dataclass
from typing import Literal

FORGOTTEN_AFTER_S = 600.0

State = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """Opens at `min_failures` that are at least `failure_share` of the calls of the last `window_s` or somewhat less.

    Open for `open_s` at first, twice as long each time that the trial failed, up to `max_open_s`.
    """

    min_failures: int = 10
    failure_share: float = 0.5
    window_s: float = 30.0
    open_s: float = 10.0
    max_open_s: float = 120.0


@dataclass(slots=True)
class _Count:
    calls: int = 0
    failures: int = 0


class Breaker:
    """Times are monotonic seconds. What a call reports counts only in the `generation` of states that it began in."""

    def __init__(self, policy: BreakerPolicy, *, now_s: float) -> None:
        self.generation = 0
        self._policy = policy
        self._now, self._before = _Count(), _Count()
        self._half_ends_s = now_s + policy.window_s / 2
        self._open_s = 0.0
        self._open_until_s: float | None = None

    def state(self, now_s: float) -> State:
        if self._open_until_s is None:
            return "closed"
        return "open" if now_s < self._open_until_s else "half_open"

    def wait_s(self, now_s: float) -> float:
        """Seconds until a call may go through; 0 when one may now."""
        return 0.0 if self._open_until_s is None else max(0.0, self._open_until_s - now_s)

    def begin(self, now_s: float) -> int | None:
        """The generation that this call's end is to be reported with; None when it may not go through."""
        if self._open_until_s is not None:
            if now_s < self._open_until_s:
                return None
            # one trial; the next one not before this one has had its time, should nothing be heard of it
            self._open_until_s = now_s + self._open_s
        return self.generation

    def succeed(self, generation: int, *, now_s: float) -> None:
        if generation != self.generation:
            return
        if self._open_until_s is not None:
            self._change(None, now_s)
            self._open_s = 0.0
            return
        self._turn(now_s)
        self._now.calls += 1

    def fail(self, generation: int, *, now_s: float) -> None:
        if generation != self.generation:
            return
        if self._open_until_s is not None:
            self._open(now_s)
            return
        self._turn(now_s)
        self._now.calls += 1
        self._now.failures += 1
        failures = self._now.failures + self._before.failures
        calls = self._now.calls + self._before.calls
        if failures >= self._policy.min_failures and failures >= self._policy.failure_share * calls:
            self._open(now_s)

    def give_up(self, generation: int, *, now_s: float) -> None:
        """The call ended without a word on the provider, the client's doing: another one may be the trial."""
        if generation == self.generation and self._open_until_s is not None:
            self._open_until_s = min(self._open_until_s, now_s)

    def is_spent(self, now_s: float) -> bool:
        """Whether there is nothing to remember: closed and no failure of late, or long open and nobody asks."""
        if self._open_until_s is not None:
            return now_s > self._open_until_s + FORGOTTEN_AFTER_S
        self._turn(now_s)
        return not (self._now.failures or self._before.failures)

    def _open(self, now_s: float) -> None:
        self._open_s = min(self._policy.max_open_s, max(self._policy.open_s, 2 * self._open_s))
        self._change(now_s + self._open_s, now_s)

    def _change(self, open_until_s: float | None, now_s: float) -> None:
        self.generation += 1
        self._open_until_s = open_until_s
        self._now, self._before = _Count(), _Count()
        self._half_ends_s = now_s + self._policy.window_s / 2

    def _turn(self, now_s: float) -> None:
        """Counts are kept by half windows: the one that runs, and the one before."""
        half_s = self._policy.window_s / 2
        if now_s < self._half_ends_s:
            return
        was_just_before = now_s < self._half_ends_s + half_s
        self._before = self._now if was_just_before else _Count()
        self._now = _Count()
        self._half_ends_s = self._half_ends_s + half_s if was_just_before else now_s + half_s
