"""The end of the process: requests in flight get time to finish, and what remains is told that it does not."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from gateway_shared.errors import ServiceUnavailable


class ShuttingDown(ServiceUnavailable):
    """The process ended before the answer did; another one can answer."""

    default_message = "The gateway is restarting."


class Drain:
    """`begun` is True from SIGTERM on."""

    def __init__(self) -> None:
        self.begun = False
        self._in_flight = 0
        self._deadlines: set[asyncio.Timeout] = set()
        self._nothing_in_flight = asyncio.Event()
        self._nothing_in_flight.set()

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Around a whole request, its last byte included."""
        self._in_flight += 1
        self._nothing_in_flight.clear()
        try:
            yield
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._nothing_in_flight.set()

    @asynccontextmanager
    async def interruptible(self) -> AsyncIterator[None]:
        """Around the part of a request that may be cut off. Raises ShuttingDown when it was."""
        deadline = asyncio.timeout(None)
        try:
            async with deadline:
                self._deadlines.add(deadline)
                try:
                    yield
                finally:
                    self._deadlines.discard(deadline)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise ShuttingDown(retry_after_s=1.0) from error

    async def finish(self, *, drain_s: float, goodbye_s: float) -> None:
        """Waits up to `drain_s` for what is in flight, cuts off the rest and lets it say so for `goodbye_s`."""
        if await self._is_over_within(drain_s):
            return
        now_s = asyncio.get_running_loop().time()
        for deadline in self._deadlines:
            deadline.reschedule(now_s)
        await self._is_over_within(goodbye_s)

    async def _is_over_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._nothing_in_flight.wait()
        except TimeoutError:
            return False
        return True
