"""The process that owns a stack: brings it up in order, keeps every child running, and takes it down."""

import asyncio
import signal
from collections.abc import Callable

from gateway_local.child import Child
from gateway_local.command import tail_of
from gateway_local.failure import SetupFailed
from gateway_local.first_steps import prepare_database
from gateway_local.progress import tell
from gateway_local.readiness import not_ready
from gateway_local.services import DRAIN_S
from gateway_local.stack import STOP_ORDER, Stack

SERVER_TIMEOUT_S = 120.0
READY_TIMEOUT_S = 180.0
POLL_S = 0.05
ENDS_ALLOWED = 3
"""A child that ended this often before the stack was ready will not come up by itself."""


async def supervise(stack: Stack, *, on_ready: Callable[[], None]) -> None:
    """Runs the stack until SIGTERM or SIGINT. Raises SetupFailed, with everything ended, when it does not come up."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as keepers:
        starting = asyncio.create_task(_bring_up(stack, keepers))
        waiting = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                on_ready()
                await waiting
        finally:
            for task in (starting, waiting):
                task.cancel()
            await asyncio.gather(starting, waiting, return_exceptions=True)
            await _take_down(stack)


async def _bring_up(stack: Stack, keepers: asyncio.TaskGroup) -> None:
    def start(*names: str) -> None:
        for name in names:
            if name in stack.children:
                keepers.create_task(stack.children[name].keep_running())

    start("postgres", "epmd", "rabbitmq", "simulator")
    tell(f"starting PostgreSQL {stack.postgres.binaries.major} and RabbitMQ")
    postgres, rabbitmq = stack.children["postgres"], stack.children["rabbitmq"]
    await _until(
        lambda: postgres.pid is not None and stack.postgres.is_ready(postgres.pid),
        [postgres],
        "PostgreSQL",
        SERVER_TIMEOUT_S,
    )
    tell("migrations, prices and keys")
    stack.keys = await asyncio.to_thread(prepare_database, stack.services, stack.home)
    start("router", "billing", "edge")
    tell("starting router, billing and edge")
    await _until(stack.rabbitmq.is_ready, [rabbitmq], "RabbitMQ", SERVER_TIMEOUT_S)
    children = [child for name, child in stack.children.items() if name != "epmd"]
    await _until(lambda: not not_ready(stack.ops_urls), children, "The stack", READY_TIMEOUT_S)
    stack.write_run_file()


async def _take_down(stack: Stack) -> None:
    patience_s = float(stack.services.environ.get("DRAIN_S", DRAIN_S)) + 10
    for names in STOP_ORDER:
        children = [stack.children[name] for name in names if name in stack.children]
        await asyncio.gather(*(child.stop(patience_s=patience_s) for child in children))
    stack.home.run_file.unlink(missing_ok=True)


async def _until(condition: Callable[[], bool], needed: list[Child], what: str, timeout_s: float) -> None:
    """Waits for `condition`, which may wait on sockets. Raises SetupFailed when one that is needed keeps ending."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await asyncio.to_thread(condition):
                for child in needed:
                    if child.ends >= ENDS_ALLOWED:
                        raise SetupFailed(f"{child.name} ends as soon as it starts. {_log_of(child)}")
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        logs = needed[0].log.parent
        raise SetupFailed(f"{what} was not ready within {timeout_s:.0f} s. Its log is in {logs}.") from None


def _log_of(child: Child) -> str:
    return f"The end of {child.log}:\n{tail_of(child.log.read_text(errors='replace'))}"
