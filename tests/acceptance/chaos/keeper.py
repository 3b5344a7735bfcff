"""Starts again what has ended, as any process manager does; a fault may keep a part down meanwhile."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tests.acceptance.owned_stack import OwnedStack
from tests.servers import RunningServer, wait_until

POLL_S = 0.1
START_INTERVAL_S = 1.0
"""What ends as soon as it starts is not started in a storm."""
READY_WITHIN_S = 90.0


class Keeper:
    """Of the parts of a stack by name; `starts` counts how often each was started again."""

    def __init__(self, stack: OwnedStack) -> None:
        self.parts: dict[str, RunningServer] = {
            "edge": stack.edge,
            "router": stack.router,
            "billing": stack.billing,
            "broker": stack.rabbitmq,
            "database": stack.postgres,
        }
        self.starts: Counter[str] = Counter()
        self._down: set[str] = set()

    async def run(self) -> None:
        """Until cancelled. In the main thread, as every start."""
        started_s: dict[str, float] = {}
        while True:
            for name, server in self.parts.items():
                is_early = time.monotonic() < started_s.get(name, 0.0) + START_INTERVAL_S
                if name not in self._down and not server.is_running and not is_early:
                    server.launch()
                    started_s[name] = time.monotonic()
                    self.starts[name] += 1
            await asyncio.sleep(POLL_S)

    @contextmanager
    def down(self, name: str) -> Iterator[RunningServer]:
        """While the block runs nobody starts it."""
        self._down.add(name)
        try:
            yield self.parts[name]
        finally:
            self._down.discard(name)

    async def ready(self, *names: str) -> None:
        """Raises AssertionError. A service is ready only with what it depends on."""
        for name in names:
            is_ready = self.parts[name].is_ready
            await asyncio.to_thread(wait_until, is_ready, what=f"{name} ready", timeout_s=READY_WITHIN_S)
