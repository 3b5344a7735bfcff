"""Tasks that libraries leave behind when a worker ends."""

import asyncio

from gateway_shared import canonical_log

EVERY_S = 0.2


async def end_leftovers(*, timeout_s: float) -> None:
    """Cancels every task but this one until all have ended, for `timeout_s` at most.

    Said more than once: a library's task that is just closing a connection whose other end is silent may take the first
    cancellation for its own timeout, and go on waiting. The loop's own end would wait for it without bound.
    """
    this, loop = asyncio.current_task(), asyncio.get_running_loop()
    until_s = loop.time() + timeout_s
    while left := asyncio.all_tasks() - {this}:
        if loop.time() >= until_s:
            canonical_log.warning("tasks left behind", tasks=sorted(task.get_name() for task in left))
            return
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=EVERY_S)
