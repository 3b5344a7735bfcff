"""The one timer of a provider call: of all its limits the earliest ends it, and the reason is kept."""

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
        self._timeout = asyncio.timeout_at(self._end_s)
        self._running = False

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._running = True
        self._apply()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running = False
        await self._timeout.__aexit__(kind, error, trace)

    @property
    def reason(self) -> Reason:
        if self._wait_end_s is not None and self._wait_end_s < self._end_s:
            return self._wait_reason
        return self._end_reason

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
        if self._running and not self._timeout.expired():
            self._timeout.reschedule(self._end_s if self._wait_end_s is None else min(self._end_s, self._wait_end_s))
