"""Streams that wait for a test's word: `hold_after=N` waits here until `POST /simulator/release`."""

import asyncio
from dataclasses import dataclass, field

from gateway_simulator.request_log import LoggedRequest


@dataclass(slots=True)
class Holds:
    _waiting: dict[int, tuple[LoggedRequest, asyncio.Event]] = field(default_factory=dict)

    async def wait(self, logged: LoggedRequest) -> None:
        released = asyncio.Event()
        self._waiting[logged.sequence] = (logged, released)
        logged.held = True
        try:
            await released.wait()
        finally:
            logged.held = False
            del self._waiting[logged.sequence]

    def release(self, marker: str | None) -> int:
        """Let all go on, or those with one marker. Returns how many."""
        due = [released for logged, released in self._waiting.values() if marker in (None, logged.marker)]
        for released in due:
            released.set()
        return len(due)

    def __len__(self) -> int:
        return len(self._waiting)
