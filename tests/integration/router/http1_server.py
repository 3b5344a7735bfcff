"""A server that answers byte for byte what a test says, and the provider client of our own that asks it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache

from gateway_router.configuration import Provider
from gateway_router.dialects.dialect import UpstreamRequest
from gateway_router.egress import EgressGuard
from gateway_router.transports.http1 import Http1Transport, provider_tls
from gateway_shared.settings import Secret
from tests.integration.router.loopback import LOOPBACK

PROVIDER = Provider("openai", "openai", "", Secret("sk-1"), "openai", "openai", "openai")
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """`answer` is what each request gets, as it stands; `requests` are the bytes that came."""

    answer: bytes = PLAIN
    url: str = ""
    hangs_up: bool = False
    pieces: int = 1
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not self.hangs_up or not self.requests:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                step = max(1, len(self.answer) // self.pieces)
                for at in range(0, len(self.answer), step):
                    writer.write(self.answer[at : at + step])
                    await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()


@asynccontextmanager
async def listening(
    script: Script, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """A port behind which `script` runs for each connection, and is ended with the block."""
    tasks: set[asyncio.Task[None]] = set()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(asyncio.CancelledError):
                await script(reader, writer)
                writer.close()
                await writer.wait_closed()
        except ConnectionError:
            return
        finally:
            writer.transport.abort()

    listener = await asyncio.start_server(run, host, port, ssl=tls)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[Http1Transport]:
    async with listening(server.serve) as port:
        server.url = f"http://127.0.0.1:{port}/v1/chat/completions"
        transport = Http1Transport(EgressGuard(LOOPBACK), connect_timeout_s=2, tls=_tls())
        try:
            yield transport
        finally:
            await transport.close()


@cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the system's authorities takes longer than an answer."""
    return provider_tls()


def request_to(server: Server, body: bytes = b"{}", **headers: str) -> UpstreamRequest:
    return UpstreamRequest(server.url, {"Authorization": "Bearer sk-1", **headers}, body)


async def ask(transport: Http1Transport, server: Server) -> tuple[int, bytes]:
    async with asyncio.timeout(5), transport.open(request_to(server), PROVIDER) as response:
        return response.status, await response.read(10_000_000)
