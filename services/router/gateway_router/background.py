"""Tasks that outlive the request that began them; the app owns them and waits for their end."""

import asyncio
from collections.abc import Coroutine

from gateway_shared import canonical_log


class BackgroundTasks:
    """Unlike a TaskGroup, one task's failure is logged and leaves the others alone."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, None], *, name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def wait(self, timeout_s: float) -> None:
        """Waits for all that runs; what still runs after `timeout_s` is cancelled."""
        if self._tasks:
            _, running = await asyncio.wait(set(self._tasks), timeout=timeout_s)
            for task in running:
                task.cancel()
            if running:
                await asyncio.wait(running, timeout=1)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            canonical_log.exception("background task failed", error, task=task.get_name())
