"""The provider client of our own: what it sends, what it reads, and which connections it keeps."""

import asyncio
import ssl
from contextlib import suppress

import pytest

from gateway_router.dialects.dialect import UpstreamRequest
from gateway_router.egress import EgressGuard
from gateway_router.transports.http import HttpResponse
from gateway_router.transports.http1 import Http1Response, Http1Transport
from gateway_router.transports.transport import UpstreamCut, UpstreamNotReached
from tests.integration.router.http1_server import CHUNKED, PLAIN, PROVIDER, Server, ask, listening, request_to, serving
from tests.integration.router.loopback import LOOPBACK


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


async def test_a_large_body_may_come_together_with_its_head() -> None:
    body = bytes(200_000)
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    async with serving(server) as transport:
        for _ in range(20):
            assert await ask(transport, server) == (200, body)


async def test_interim_answers_are_passed_over() -> None:
    server = Server(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + PLAIN)
    async with serving(server) as transport, transport.open(request_to(server), PROVIDER) as response:
        assert response.status == 200
        assert "link" not in response.headers
        assert await response.read(100) == b"{}"


async def test_trailers_change_nothing_of_the_head() -> None:
    head = b"HTTP/1.1 200 OK\r\nX-Request-Id: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = Server(head + b"5\r\nhello\r\n0\r\nX-Request-Id: 2\r\nRetry-After: 9\r\n\r\n")
    async with serving(server) as transport:
        for _ in range(2):
            async with asyncio.timeout(5), transport.open(request_to(server), PROVIDER) as response:
                assert await response.read(100) == b"hello"
                assert response.headers == {"x-request-id": "1", "transfer-encoding": "chunked"}
    assert server.connections == 1


async def test_a_body_without_a_length_ends_with_its_connection() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\n\r\nall of it", hangs_up=True)
    async with serving(server) as transport:
        assert await ask(transport, server) == (200, b"all of it")


async def test_a_redirect_is_an_answer_like_any_other() -> None:
    server = Server(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
    async with serving(server) as transport:
        assert await ask(transport, server) == (302, b"")
    assert len(server.requests) == 1


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


async def test_a_server_of_another_authority_is_not_reached() -> None:
    transport = Http1Transport(EgressGuard(LOOPBACK), connect_timeout_s=2)
    server = Server()
    async with serving(server) as _:
        with pytest.raises(UpstreamNotReached):
            async with transport.open(UpstreamRequest(server.url.replace("http://", "https://"), {}, b""), PROVIDER):
                raise AssertionError("plain text passed for TLS")
    assert transport._tls.verify_mode == ssl.CERT_REQUIRED
    assert transport._tls.check_hostname


def test_the_response_has_the_shape_of_the_other_transport() -> None:
    public = {name for name in dir(HttpResponse) if not name.startswith("_")}
    assert public <= {name for name in dir(Http1Response) if not name.startswith("_")}
