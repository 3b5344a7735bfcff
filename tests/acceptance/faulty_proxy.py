"""A TCP proxy that can be made to fail: between two parts of a stack, with TLS passing through unread.

It runs in a thread with a loop of its own, so that connections live on between tests and while a test blocks.
"""

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto

from tests.ports import free_ports

_CHUNK_BYTES = 64 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with 0 seconds


class Behaviour(Enum):
    """What happens to connections, the present ones and those that come."""

    PASS = auto()
    SILENT = auto()
    """Half-open: bytes vanish both ways, and neither side hears when the other one leaves."""
    MUTE = auto()
    """The same, but only from who connected: it still hears the other side."""
    RESET = auto()


@dataclass(eq=False)
class _Connection:
    """What is lost stays so: a path that has gone silent never speaks again, only a new connection does."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter | None = None
    lost_towards: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def writers(self) -> list[asyncio.StreamWriter]:
        return [self.near, self.far] if self.far else [self.near]

    def lose(self, behaviour: Behaviour) -> None:
        self.lost_towards.update(self.writers if behaviour is Behaviour.SILENT else self.writers[1:])

    def reset(self) -> None:
        for writer in self.writers:
            with suppress(OSError):  # it is closed already
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()


class FaultyProxy:
    """Listens on `port` of 127.0.0.1. `accepted_s` are the monotonic times at which connections came."""

    def __init__(self, target_port: int) -> None:
        self.accepted_s: list[float] = []
        (self.port,) = free_ports(1)
        self._target_port = target_port
        self._behaviour = Behaviour.PASS
        self._delay_s = 0.0
        self._connections: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faulty proxy", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    @contextmanager
    def silent(self) -> Iterator[None]:
        with self._behaving(Behaviour.SILENT):
            yield

    @contextmanager
    def mute(self) -> Iterator[None]:
        with self._behaving(Behaviour.MUTE):
            yield

    @contextmanager
    def resetting(self) -> Iterator[None]:
        with self._behaving(Behaviour.RESET):
            yield

    @contextmanager
    def slow(self, delay_s: float) -> Iterator[None]:
        """Every byte arrives `delay_s` later, in either direction."""
        self._call(lambda: setattr(self, "_delay_s", delay_s))
        try:
            yield
        finally:
            self._call(lambda: setattr(self, "_delay_s", 0.0))

    def reset(self) -> None:
        """Once: the present connections; new ones pass."""
        self._call(self._reset_all)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextmanager
    def _behaving(self, behaviour: Behaviour) -> Iterator[None]:
        self._call(lambda: self._behave(behaviour))
        try:
            yield
        finally:
            self._call(lambda: self._behave(Behaviour.PASS))

    def _behave(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        if behaviour is Behaviour.RESET:
            self._reset_all()
        elif behaviour is not Behaviour.PASS:
            for connection in self._connections:
                connection.lose(behaviour)

    def _reset_all(self) -> None:
        for connection in self._connections:
            connection.reset()

    def _call(self, function: Callable[[], None]) -> None:
        """In the proxy's thread; returns when it is done."""

        async def call() -> None:
            function()

        asyncio.run_coroutine_threadsafe(call(), self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _stop(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        self._reset_all()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted_s.append(time.monotonic())
        connection = _Connection(writer)
        self._connections.add(connection)
        try:
            if self._behaviour is Behaviour.PASS:
                await self._join(reader, connection)
            elif self._behaviour is not Behaviour.RESET:
                await reader.read(-1)
        except OSError:  # nobody listens at the target
            connection.reset()
        finally:
            connection.reset()
            self._connections.discard(connection)

    async def _join(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        far_reader, connection.far = await asyncio.open_connection("127.0.0.1", self._target_port)
        await asyncio.gather(
            self._relay(reader, connection.far, connection), self._relay(far_reader, connection.near, connection)
        )

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: _Connection) -> None:
        """Until the source has ended, which is handed on unless the path is lost."""
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivering = asyncio.create_task(self._deliver(on_the_way, writer, connection))
        try:
            while data := await reader.read(_CHUNK_BYTES):
                on_the_way.put_nowait((time.monotonic() + self._delay_s, data))
        except ConnectionError:
            if writer not in connection.lost_towards:
                connection.reset()
        finally:
            on_the_way.put_nowait((time.monotonic() + self._delay_s, b""))
            await delivering

    async def _deliver(
        self, on_the_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, connection: _Connection
    ) -> None:
        while True:
            due_s, data = await on_the_way.get()
            await asyncio.sleep(due_s - time.monotonic())
            if not data:
                break
            if writer not in connection.lost_towards and not writer.is_closing():
                with suppress(ConnectionError):
                    writer.write(data)
                    await writer.drain()
        if writer not in connection.lost_towards:
            writer.close()
