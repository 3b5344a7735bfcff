"""A worker's end of its supervisor: answers its questions, takes connections from it, does as it says.

told to drain, or SIGTERM    `stopping` is set
told to hurry                `hurrying` is set
SIGINT                       nothing: at a terminal it reaches the supervisor too
the supervisor dies          the kernel kills this process, wherever it is
"""

import asyncio
import ctypes
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway_shared import garbage, multiprocess_metrics
from gateway_shared.listener import HandedConnections, Listener, ListeningSocket
from gateway_shared.multiprocess_metrics import MetricsFolder
from gateway_shared.operations import Operations
from gateway_shared.workers.channel import Channel, ChannelClosed, Message

SIGN_OF_LIFE_EVERY_S = 1.0

_PR_SET_PDEATHSIG = 1


class Worker:
    """Made by the supervisor. `metrics` has the figures of all workers; `number` counts from 0."""

    def __init__(self, number: int, channel: Channel, metrics: MetricsFolder, public: socket.socket | None) -> None:
        self.number = number
        self.metrics = metrics
        self.stopping = asyncio.Event()
        self.hurrying = asyncio.Event()
        self._channel = channel
        self._handed = HandedConnections()
        self._listener: Listener = self._handed if public is None else ListeningSocket(public)

    @classmethod
    def forked(
        cls, number: int, channel: Channel, metrics: MetricsFolder, *, supervisor_pid: int, public: socket.socket | None
    ) -> "Worker":
        """In the child, straight after the fork. `public` is what to accept on, None when connections are handed."""
        _die_with(supervisor_pid)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        metrics.write_here()
        return cls(number, channel, metrics, public)

    @property
    def listener(self) -> Listener:
        """Where the service's connections come from."""
        return self._listener

    @asynccontextmanager
    async def reporting(self, operations: Operations) -> AsyncIterator[None]:
        """Around the worker's life on the loop; `operations` is what it tells."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stopping.set)
        async with asyncio.TaskGroup() as tasks:
            loop.add_reader(self._channel.socket, self._read, operations, tasks)
            living = tasks.create_task(self._live(operations))
            try:
                yield
            finally:
                loop.remove_reader(self._channel.socket)
                living.cancel()

    def announce(self, operations: Operations) -> None:
        """The service is started: tells the supervisor at once."""
        garbage.settle()
        self._say_alive(operations)

    async def _live(self, operations: Operations) -> None:
        while True:
            self._say_alive(operations)
            await asyncio.sleep(SIGN_OF_LIFE_EVERY_S)

    def _say_alive(self, operations: Operations) -> None:
        life = {
            "started": operations.started,
            "draining": operations.draining or self.stopping.is_set(),
            "taken": self._handed.taken,
            "open": self._handed.open_connections(),
        }
        self._channel.send({"alive": life})

    def _read(self, operations: Operations, tasks: asyncio.TaskGroup) -> None:
        try:
            while (received := self._channel.receive()) is not None:
                message, connection = received
                if connection is not None:
                    self._handed.take(connection)
                elif "ask" in message:
                    tasks.create_task(self._answer(message, operations))
                elif message["do"] == "drain":
                    self.stopping.set()
                else:
                    self.hurrying.set()
        except ChannelClosed:
            os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when the supervisor dies

    async def _answer(self, message: Message, operations: Operations) -> None:
        answer: object = True
        if message["ask"] == "metrics":
            multiprocess_metrics.refresh()
        else:
            _, answer = await operations.health()
        self._channel.send({"question": message["question"], "answer": answer})


def _die_with(supervisor_pid: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != supervisor_pid:  # it died before we said so
        os.kill(os.getpid(), signal.SIGKILL)
