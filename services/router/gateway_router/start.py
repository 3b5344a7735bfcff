"""Starting the router's process: the operations port first, then litellm (3 s), then everything else."""

import asyncio
import importlib
import signal

from gateway_router.settings import RouterSettings
from gateway_shared.operations import Operations, serve_operations


async def start(settings: RouterSettings, *, version: str) -> int:
    """Runs until SIGTERM or SIGINT; returns the exit code."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    health = Operations("router", version, checks={})
    async with serve_operations(health, settings.ops_host, settings.ops_port):
        # on a thread, so that /health answers meanwhile; /ready waits for it
        app = await asyncio.to_thread(importlib.import_module, "gateway_router.app")
        exit_code: int = await app.serve(settings, health, stop)
    return exit_code
