"""The one timer of a provider call: of all its limits the earliest ends it, and the reason is kept.

`asyncio.timeout` with two differences: a limit that moves away costs nothing, since the timer that is set
looks at the limits again when it fires (a call moves its limits with every read), and it can be entered again,
for the next attempt: the end of the whole call stays.
"""

import asyncio
from types import TracebackType
from typing import Literal, Self

Reason = Literal["call", "silence", "client", "drain", "shutdown"]
"""The whole call took too long; the provider was silent; the client did not read; nobody waits any more; we stop."""


class Deadline:
    """`async with Deadline(call_timeout_s=600)`: a TimeoutError at the earliest limit, `reason` says which."""

    def __init__(self, *, call_timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._end_s = self._loop.time() + call_timeout_s
        self._end_reason: Reason = "call"
        self._wait_end_s: float | None = None
        self._wait_reason: Reason = "silence"
        self._task: asyncio.Task[object] | None = None
        self._cancellations_before = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = 0.0
        self._has_expired = False

    async def __aenter__(self) -> Self:
        self._has_expired = False
        self._task = asyncio.current_task()
        assert self._task is not None
        self._cancellations_before = self._task.cancelling()
        self._apply()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._has_expired or task is None:
            return
        # as in asyncio.timeout: a cancellation from outside, at the same time, stays one
        is_ours = task.uncancel() <= self._cancellations_before
        if is_ours and kind is asyncio.CancelledError:
            raise TimeoutError from error

    @property
    def reason(self) -> Reason:
        if self._wait_end_s is not None and self._wait_end_s < self._end_s:
            return self._wait_reason
        return self._end_reason

    @property
    def remaining_s(self) -> float:
        """Until the end of the whole call."""
        return max(0.0, self._end_s - self._loop.time())

    def wait_at_most(self, seconds: float | None, reason: Reason) -> None:
        """Limits what is being waited for now; the next call replaces it, None takes it away."""
        self._wait_end_s = None if seconds is None else self._loop.time() + seconds
        self._wait_reason = reason
        self._apply()

    def end_within(self, seconds: float, reason: Reason) -> None:
        """Brings the end of the whole call forward."""
        end_s = self._loop.time() + seconds
        if end_s < self._end_s:
            self._end_s, self._end_reason = end_s, reason
            self._apply()

    def _apply(self) -> None:
        if self._task is None or self._has_expired:
            return
        end_s = self._end_s if self._wait_end_s is None else min(self._end_s, self._wait_end_s)
        if self._timer is not None:
            if self._timer_s <= end_s:
                return
            self._timer.cancel()
        self._timer_s = end_s
        self._timer = self._loop.call_at(end_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self._task is None:
            return
        end_s = self._end_s if self._wait_end_s is None else min(self._end_s, self._wait_end_s)
        if end_s > self._loop.time():
            self._apply()
        else:
            self._has_expired = True
            self._task.cancel()
