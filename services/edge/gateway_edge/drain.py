"""The end of the process: requests in flight get time to finish, and what remains is told that it does not."""

import asyncio
from types import TracebackType

from gateway_shared.errors import ServiceUnavailable


class ShuttingDown(ServiceUnavailable):
    """The process ended before the answer did; another one can answer."""

    default_message = "The gateway is restarting."


class Drain:
    """`begun` is True from SIGTERM on; `requests` are those in flight."""

    def __init__(self) -> None:
        self.begun = False
        self.requests = 0
        self._interruptible: set[Interruptible] = set()
        self._nothing_in_flight = asyncio.Event()
        self._nothing_in_flight.set()

    def enter(self) -> None:
        """A request is there; `leave` when its last byte has gone."""
        self.requests += 1
        self._nothing_in_flight.clear()

    def leave(self) -> None:
        self.requests -= 1
        if not self.requests:
            self._nothing_in_flight.set()

    def interruptible(self) -> "Interruptible":
        """Around the part of a request that may be cut off. Raises ShuttingDown when it was."""
        return Interruptible(self._interruptible)

    async def finish(self, *, drain_s: float, goodbye_s: float) -> None:
        """Waits up to `drain_s` for what is in flight, cuts off the rest and lets it say so for `goodbye_s`."""
        if await self._is_over_within(drain_s):
            return
        for part in tuple(self._interruptible):
            part.interrupt()
        await self._is_over_within(goodbye_s)

    async def _is_over_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._nothing_in_flight.wait()
        except TimeoutError:
            return False
        return True


class Interruptible:
    """A part of a request, as `asyncio.timeout` would make it, but for a request that is cut off by a call."""

    __slots__ = ("_cancellations_before", "_is_interrupted", "_parts", "_task")

    def __init__(self, parts: "set[Interruptible]") -> None:
        self._parts = parts
        self._is_interrupted = False
        self._task: asyncio.Task[object] | None = None
        self._cancellations_before = 0

    def interrupt(self) -> None:
        if self._task is not None and not self._is_interrupted:
            self._is_interrupted = True
            self._task.cancel()

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        assert self._task is not None
        self._cancellations_before = self._task.cancelling()
        self._parts.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._parts.discard(self)
        if not self._is_interrupted or self._task is None:
            return
        # a client that left at the same time has cancelled the task as well: that stays a cancellation
        is_ours = self._task.uncancel() <= self._cancellations_before
        if is_ours and kind is asyncio.CancelledError:
            raise ShuttingDown(retry_after_s=1.0) from error
