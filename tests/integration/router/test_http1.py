"""The provider client of our own, against servers that answer byte for byte what a test says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway_router.configuration import Provider
from gateway_router.dialects.dialect import UpstreamRequest
from gateway_router.egress import EgressGuard
from gateway_router.transports.http import HttpResponse
from gateway_router.transports.http1 import Http1Response, Http1Transport
from gateway_router.transports.http1_connection import HIGH_WATER_BYTES, MAX_HEAD_BYTES
from gateway_router.transports.transport import UpstreamCut, UpstreamNotReached
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
async def listening(script: Script) -> AsyncIterator[int]:
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

    listener = await asyncio.start_server(run, "127.0.0.1", 0)
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
        transport = Http1Transport(EgressGuard(LOOPBACK), connect_timeout_s=2)
        try:
            yield transport
        finally:
            await transport.close()


def request_to(server: Server, body: bytes = b"{}", **headers: str) -> UpstreamRequest:
    return UpstreamRequest(server.url, {"Authorization": "Bearer sk-1", **headers}, body)


async def ask(transport: Http1Transport, server: Server) -> tuple[int, bytes]:
    async with asyncio.timeout(5), transport.open(request_to(server), PROVIDER) as response:
        return response.status, await response.read(10_000_000)


async def test_a_request_is_what_the_provider_reads_and_nothing_else() -> None:
    server = Server()
    async with serving(server) as transport:
        assert await ask(transport, server) == (200, b"{}")
    host = server.url.split("/")[2]
    assert server.requests == [
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: " + host.encode() + b"\r\nAccept-Encoding: identity\r\n"
        b"User-Agent: agent-gateway\r\nAuthorization: Bearer sk-1\r\nContent-Length: 2\r\n\r\n{}"
    ]


@pytest.mark.parametrize("answer", [PLAIN, CHUNKED])
async def test_a_connection_is_kept_after_a_whole_answer(answer: bytes) -> None:
    server = Server(answer)
    async with serving(server) as transport:
        for _ in range(5):
            assert (await ask(transport, server))[0] == 200
    assert (server.connections, len(server.requests)) == (1, 5)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        PLAIN + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
        PLAIN + b"garbage",
    ],
)
async def test_a_connection_is_not_kept_where_that_is_not_safe(answer: bytes) -> None:
    server = Server(answer)
    async with serving(server) as transport:
        for _ in range(3):
            with suppress(UpstreamCut):
                status, body = await ask(transport, server)
                assert (status, body) == (200, b"{}")
    assert server.connections == 3


async def test_an_answer_that_is_left_early_closes_its_connection() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    async with serving(server) as transport, asyncio.timeout(5):
        async with transport.open(request_to(server), PROVIDER) as response:
            assert await anext(aiter(response.chunks())) == b"hello"
        await server.left.wait()


async def test_interim_answers_are_passed_over() -> None:
    server = Server(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + PLAIN)
    async with serving(server) as transport, transport.open(request_to(server), PROVIDER) as response:
        assert response.status == 200
        assert "link" not in response.headers
        assert await response.read(100) == b"{}"


async def test_a_body_without_a_length_ends_with_its_connection() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\n\r\nall of it", hangs_up=True)
    async with serving(server) as transport:
        assert await ask(transport, server) == (200, b"all of it")


async def test_a_redirect_is_an_answer_like_any_other() -> None:
    server = Server(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
    async with serving(server) as transport:
        assert await ask(transport, server) == (302, b"")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * (MAX_HEAD_BYTES + 1) + b"\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * MAX_HEAD_BYTES + b"\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"\x16\x03\x01\x00\x00",
    ],
)
async def test_an_answer_that_is_cut_or_malformed_is_an_error(answer: bytes) -> None:
    server = Server(answer, hangs_up=True)
    async with serving(server) as transport:
        with pytest.raises(UpstreamCut):
            await ask(transport, server)


async def test_nothing_listens_or_the_name_is_unknown() -> None:
    transport = Http1Transport(EgressGuard(LOOPBACK), connect_timeout_s=2)
    for url in ("http://127.0.0.1:1/", "http://no-such-host.invalid/", "ftp://x/"):
        with pytest.raises(UpstreamNotReached):
            async with transport.open(UpstreamRequest(url, {}, b""), PROVIDER):
                raise AssertionError("connected to nothing")


@pytest.mark.parametrize("value", ["a\r\nX-Injected: 1", "a\nb", "a\0b"])
async def test_a_header_cannot_break_out_of_its_line(value: str) -> None:
    server = Server()
    async with serving(server) as transport:
        with pytest.raises(UpstreamNotReached):
            async with transport.open(request_to(server, x=value), PROVIDER):
                raise AssertionError("it was sent")
    assert server.requests == []


async def test_a_large_request_arrives_whole() -> None:
    server = Server()
    body = bytes(range(256)) * 80_000
    async with serving(server) as transport, transport.open(request_to(server, body), PROVIDER) as response:
        assert await response.read(10) == b"{}"
    assert server.requests[0].endswith(body)


async def test_a_refusal_that_does_not_wait_for_the_body_is_the_answer() -> None:
    connections = 0

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\n{}")
        await asyncio.Event().wait()  # and reads no more

    async with listening(refuse) as port:
        transport = Http1Transport(EgressGuard(LOOPBACK), connect_timeout_s=2)
        request = UpstreamRequest(f"http://127.0.0.1:{port}/", {}, bytes(30_000_000))
        for _ in range(2):
            async with asyncio.timeout(5), transport.open(request, PROVIDER) as response:
                assert (response.status, await response.read(10)) == (413, b"{}")
        await transport.close()
    assert connections == 2


async def test_a_connection_whose_answer_was_not_read_is_not_used_again() -> None:
    size = HIGH_WATER_BYTES + 1_000  # whole, and more than is read ahead
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
    async with serving(server) as transport:
        for _ in range(2):
            async with asyncio.timeout(5), transport.open(request_to(server), PROVIDER) as response:
                await until_complete(response)
                with pytest.raises(UpstreamCut):
                    await response.read(size)
    assert server.connections == 2


async def until_complete(response: Http1Response) -> None:
    while not response._connection._is_complete:  # noqa: ASYNC110 - until it has come
        await asyncio.sleep(0)


async def test_an_answer_with_something_behind_it_is_never_taken_for_its_beginning() -> None:
    garbage = asyncio.Event()

    async def go_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED)
        await garbage.wait()
        writer.write(b"garbage")
        await reader.read()

    async with listening(go_on) as port:
        transport = Http1Transport(EgressGuard(LOOPBACK), connect_timeout_s=2)
        request = UpstreamRequest(f"http://127.0.0.1:{port}/", {}, b"")
        async with asyncio.timeout(5), transport.open(request, PROVIDER) as response:
            garbage.set()
            while response._connection._error is None:  # noqa: ASYNC110 - until it has come
                await asyncio.sleep(0)
            with pytest.raises(UpstreamCut):
                await response.read(100)
        await transport.close()


async def test_an_unread_answer_stops_the_provider() -> None:
    sent = 0
    stop = asyncio.Event()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        with suppress(ConnectionError, TimeoutError):
            while True:
                writer.write(b"x" * 65536)
                async with asyncio.timeout(0.5):  # the socket's buffers are full: the window is closed
                    await writer.drain()
                sent += 65536
        stop.set()

    async with listening(flood) as port:
        transport = Http1Transport(EgressGuard(LOOPBACK), connect_timeout_s=2)
        request = UpstreamRequest(f"http://127.0.0.1:{port}/", {}, b"")
        async with transport.open(request, PROVIDER) as response:
            await asyncio.wait_for(stop.wait(), 20)
            assert response._connection._held_bytes <= 2 * HIGH_WATER_BYTES
        await transport.close()
    assert sent < 20_000_000


async def test_a_server_of_another_authority_is_not_reached() -> None:
    transport = Http1Transport(EgressGuard(LOOPBACK), connect_timeout_s=2)
    server = Server()
    async with serving(server) as _:
        with pytest.raises(UpstreamNotReached):
            async with transport.open(UpstreamRequest(server.url.replace("http://", "https://"), {}, b""), PROVIDER):
                raise AssertionError("plain text passed for TLS")
    assert transport._tls.verify_mode == ssl.CERT_REQUIRED
    assert transport._tls.check_hostname


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    tail=st.binary(max_size=200),
    cut=st.integers(0, len(CHUNKED)),
    pieces=st.integers(1, 40),
)
async def test_whatever_comes_is_an_answer_or_an_error_by_name(tail: bytes, cut: int, pieces: int) -> None:
    server = Server(CHUNKED[:cut] + tail, hangs_up=True, pieces=pieces)
    async with serving(server) as transport:
        with suppress(UpstreamCut):
            status, _ = await ask(transport, server)
            assert 100 <= status <= 999


def test_the_response_has_the_shape_of_the_other_transport() -> None:
    public = {name for name in dir(HttpResponse) if not name.startswith("_")}
    assert public <= {name for name in dir(Http1Response) if not name.startswith("_")}
