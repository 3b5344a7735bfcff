"""Hostile and slow clients on a raw socket (SECURITY: Inbound requests)."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest

from gateway_edge import body, connection
from tests.integration.edge.conftest import Keys
from tests.integration.edge.running_edge import CHAT, GOOD, Client, running_stack
from tests.integration.edge.stand_in_router import StandInRouter
from tests.servers import Postgres

JSON = orjson.dumps(GOOD)
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\n"
HOST = b"Host: localhost\r\n"

SMUGGLING = {
    "CL and TE": HEAD
    + HOST
    + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "TE and CL": HEAD + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD + HOST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "two equal lengths": HEAD + HOST + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    "a signed length": HEAD + HOST + b"Content-Length: +4\r\n\r\nabcd",
    "a hexadecimal length": HEAD + HOST + b"Content-Length: 0x4\r\n\r\nabcd",
    "an unknown coding": HEAD + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked not last": HEAD + HOST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "a bad chunk size": HEAD + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    "bare LF": b"POST /v1/chat/completions HTTP/1.1\nHost: localhost\n\n",
    "obs-fold": HEAD + HOST + b"X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "a space before the colon": HEAD + HOST + b"Content-Length : 0\r\n\r\n",
    "NUL in a value": HEAD + HOST + b"X-A: b\0c\r\n\r\n",
    "CR in a value": HEAD + HOST + b"X-A: b\rc\r\n\r\n",
    "two hosts": HEAD + HOST + HOST + b"Content-Length: 0\r\n\r\n",
    "no host": HEAD + b"Content-Length: 0\r\n\r\n",
    "an odd host": HEAD + b"Host: a/b?\r\nContent-Length: 0\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "an unknown version": b"GET /health HTTP/9.9\r\n" + HOST + b"\r\n",
    "a very long head": HEAD + HOST + b"X-A: " + b"a" * 20_000 + b"\r\n\r\n",
    "very many fields": HEAD + HOST + b"X-A: b\r\n" * 2_000 + b"\r\n",
}


@pytest.fixture
async def stack(edge_database: Postgres) -> AsyncIterator[tuple[Client, StandInRouter]]:
    async with running_stack(edge_database) as both:
        yield both


Stack = tuple[Client, StandInRouter]


async def exchange(client: Client, data: bytes, *, within_s: float = 10) -> bytes:
    """What the edge says until it closes the connection."""
    async with asyncio.timeout(within_s):
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        try:
            writer.write(data)
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()


@pytest.mark.parametrize("data", SMUGGLING.values(), ids=SMUGGLING.keys())
async def test_ambiguous_requests_are_refused_once_in_openais_shape(stack: Stack, api_keys: Keys, data: bytes) -> None:
    client, router = stack
    authorised = data.replace(HOST, HOST + b"Authorization: Bearer " + api_keys.gw.encode() + b"\r\n", 1)
    # a second, honest request behind it must not be answered on this connection, or the first had two readings
    behind = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = await exchange(client, authorised + behind)
    head, _, content = answer.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 ")), answer[:300]
    assert b"x-request-id: req_" in head
    assert b"application/json" in head
    assert b'"type":"invalid_request_error"' in content
    assert router.calls == []


async def test_a_request_that_never_finishes_its_head_is_closed(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_PATIENCE_S", 0.2)
    client, _ = stack
    assert await exchange(client, b"", within_s=5) == b""
    assert await exchange(client, b"GET /health HTTP/1.1\r\nHost: lo", within_s=5) == b""


async def test_a_body_that_comes_too_slowly_is_408(
    stack: Stack, api_keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "PATIENCE_S", 0.2)
    client, router = stack
    head = (
        f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {api_keys.gw}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    )
    answer = await exchange(client, head.encode() + b'{"model"', within_s=8)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request_timeout"' in answer
    assert router.calls == []


async def test_an_idle_connection_is_closed(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "IDLE_PATIENCE_S", 0.3)
    client, _ = stack
    ask = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for pipelined in (b"", ask[:20]):
        answer = await exchange(client, ask + pipelined, within_s=5)
        assert answer.count(b"HTTP/1.1 200 ") == 1


async def test_a_client_that_never_reads_is_dropped(
    stack: Stack, api_keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "READER_PATIENCE_S", 0.3)
    client, router = stack
    gone = asyncio.Event()

    async def flood(call: object, answer: object) -> None:
        try:
            await answer.start(200, {"Content-Type": "text/event-stream"})  # type: ignore[attr-defined]
            while True:
                await answer.write(b"x" * 100_000)  # type: ignore[attr-defined]
        finally:
            gone.set()

    router.answer = flood
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port, limit=1)
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {api_keys.gw}\r\n"
    writer.write(head.encode() + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(JSON) + JSON)
    async with asyncio.timeout(10):
        await gone.wait()
    writer.transport.abort()
    assert reader is not None


@pytest.mark.parametrize("field", [b"Authorization: Bearer \xff", b"x-api-key: \xff"])
async def test_a_credential_that_is_no_text_is_an_unknown_key(stack: Stack, field: bytes) -> None:
    client, router = stack
    answer = await exchange(client, HEAD + HOST + field + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b'"code":"invalid_api_key"' in answer
    assert router.calls == []


async def test_connections_over_the_limit_are_told_so(edge_database: Postgres) -> None:
    async with running_stack(edge_database, max_connections=2) as (client, _):
        held = [await asyncio.open_connection("127.0.0.1", client.port) for _ in range(2)]
        answer = await exchange(client, b"")
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b'"code":"overloaded"' in answer
        for _, writer in held:
            writer.close()


async def test_expect_continue_is_answered_and_a_body_announced_too_large_is_not_asked_for(
    stack: Stack, api_keys: Keys
) -> None:
    client, _ = stack
    head = (
        f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {api_keys.gw}\r\n"
        "Connection: close\r\nExpect: 100-continue\r\nContent-Type: application/json\r\n"
    ).encode()
    good = await exchange(client, head + b"Content-Length: %d\r\n\r\n" % len(JSON) + JSON)
    assert good.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    large = await exchange(client, head + b"Content-Length: 999999999\r\n\r\n")
    assert large.startswith(b"HTTP/1.1 413 ")
