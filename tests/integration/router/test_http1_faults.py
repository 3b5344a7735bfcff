"""The provider client of our own, and answers that are cut, malformed, without end or never read."""

import asyncio
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway_router.dialects.dialect import UpstreamRequest
from gateway_router.egress import EgressGuard
from gateway_router.transports.http1 import Http1Response, Http1Transport
from gateway_router.transports.http1_connection import HIGH_WATER_BYTES, MAX_HEAD_BYTES
from gateway_router.transports.transport import UpstreamCut
from tests.integration.router.http1_server import CHUNKED, PROVIDER, Server, ask, listening, request_to, serving
from tests.integration.router.loopback import LOOPBACK


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
        CHUNKED[:-2] + b"X: y\r\n" * MAX_HEAD_BYTES + b"\r\n",
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


async def test_a_trailer_without_end_is_not_waited_for() -> None:
    server = Server(CHUNKED[:-2] + b"X: " + b"y" * 4 * MAX_HEAD_BYTES)
    async with serving(server) as transport:
        with pytest.raises(UpstreamCut):
            await ask(transport, server)


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
