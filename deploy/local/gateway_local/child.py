"""One process of the stack, kept running: started again when it ends, later each time that it ends soon."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gateway_local.command import Command
from gateway_local.failure import SetupFailed

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
STEADY_S = 20.0
"""Who lived that long is started again at once."""


class Child:
    """`pid` is None while it is down. `on_change` is called at every start and end."""

    def __init__(self, name: str, command: Command, log: Path, on_change: Callable[[], None]) -> None:
        self.name, self.log = name, log
        self.pid: int | None = None
        self.ends = 0
        self._command, self._on_change = command, on_change
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()

    async def keep_running(self) -> None:
        """Returns after `stop`, when the process is gone."""
        pause_s = FIRST_PAUSE_S
        self._ended.clear()
        try:
            while not self._stopping.is_set():
                began_s = time.monotonic()
                await self._run_once()
                pause_s = FIRST_PAUSE_S if time.monotonic() - began_s > STEADY_S else min(pause_s * 2, LONGEST_PAUSE_S)
                await self._pause(pause_s)
        finally:
            self._ended.set()

    async def stop(self, *, patience_s: float) -> None:
        """Asks it to end and, after `patience_s`, kills it."""
        self._stopping.set()
        self._signal(self._command.stop_signal)
        try:
            async with asyncio.timeout(patience_s):
                await self._ended.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._ended.wait()

    async def _run_once(self) -> None:
        try:
            with self.log.open("ab") as output:
                process = await asyncio.create_subprocess_exec(
                    *self._command.arguments, stdout=output, stderr=output, **self._command.options()
                )
        except OSError as error:
            raise SetupFailed(f"{self._command.arguments[0]} cannot be run: {error.strerror}.") from error
        self.pid = process.pid
        if self._stopping.is_set():  # stop() came while it was being started
            self._signal(self._command.stop_signal)
        self._on_change()
        await process.wait()
        self.pid = None
        if not self._stopping.is_set():
            self.ends += 1
        self._on_change()

    async def _pause(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is not None:
            with suppress(ProcessLookupError):  # it ended this moment, which _run_once is about to hear
                os.kill(self.pid, number)
                os.kill(self.pid, signal.SIGCONT)  # a paused process takes no other signal
