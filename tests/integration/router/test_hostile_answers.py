"""What a provider may do to the client that asks it: on every client, whatever comes is bounded and nothing is kept."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from functools import cache

import pytest

from gateway_router.egress import EgressGuard
from gateway_router.transports.answer_budget import AnswerBudget, AnswersTooLarge
from gateway_router.transports.transport import AnswerNotTaken, Transport, UpstreamCut
from tests.integration.router.http1_server import Script, Server, listening
from tests.integration.router.loopback import LOOPBACK
from tests.integration.router.provider_clients import ANSWER, EVERY_CLIENT, SECRET, ProviderClient

LIMIT = 1024 * 1024
VALUES = 100_000


@cache
def bomb() -> bytes:
    return gzip.compress(gzip.compress(bytes(50_000_000)))


def plain(body: bytes, *fields: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", "Content-Type: application/json", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def opened(client: ProviderClient, budget: AnswerBudget | None = None) -> AsyncIterator[Transport]:
    transport = client.transport(EgressGuard(LOOPBACK), budget)
    try:
        async with asyncio.timeout(20):
            yield transport
    finally:
        await transport.close()


async def ask(transport: Transport, client: ProviderClient, port: int) -> tuple[int, bytes]:
    async with transport.open(client.request(f"http://127.0.0.1:{port}"), client.provider) as response:
        return response.status, await response.read(LIMIT)


@EVERY_CLIENT
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_another_host_takes_no_credential_there(client: ProviderClient, status: int) -> None:
    other = Server(plain(ANSWER))
    async with listening(other.serve) as elsewhere, opened(client) as transport:
        location = f"Location: http://localhost:{elsewhere}/v1/chat/completions\r\nContent-Length: 0"
        provider = Server(f"HTTP/1.1 {status} Elsewhere\r\n{location}\r\n\r\n".encode())
        async with listening(provider.serve) as port:
            try:
                answered, _ = await ask(transport, client, port)
            except UpstreamCut:
                answered = status
    assert answered >= 300
    assert SECRET.encode() in provider.requests[0]
    assert len(provider.requests) == 1
    assert other.connections == 0


@EVERY_CLIENT
async def test_a_cookie_is_not_kept(client: ProviderClient) -> None:
    provider = Server(plain(ANSWER, "Set-Cookie: who=you; Path=/", "Set-Cookie: Domain=127.0.0.1; a=b"))
    async with listening(provider.serve) as port, opened(client) as transport:
        for _ in range(3):
            assert (await ask(transport, client, port))[0] == 200
    assert len(provider.requests) == 3
    assert not any(b"cookie" in request.lower() for request in provider.requests)


@EVERY_CLIENT
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
async def test_what_is_compressed_is_refused_unread(client: ProviderClient, coding: str) -> None:
    provider = Server(plain(bomb(), f"Content-Encoding: {coding}"))
    async with listening(provider.serve) as port, opened(client) as transport:
        with pytest.raises(AnswerNotTaken):
            await ask(transport, client, port)
    assert b"accept-encoding: identity\r\n" in provider.requests[0].lower()


@EVERY_CLIENT
@pytest.mark.parametrize("head", ["Content-Length: 500000000", "Transfer-Encoding: chunked", "Connection: close"])
async def test_a_body_without_an_end_is_cut_at_the_limit(
    client: ProviderClient, head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_router.transports.litellm_http.MAX_ANSWER_BYTES", LIMIT)
    budget, sent = AnswerBudget(), [0]
    async with listening(_endless(head, sent)) as port, opened(client, budget) as transport:
        with pytest.raises(AnswerNotTaken):
            await ask(transport, client, port)
    assert sent[0] < 16 * LIMIT
    assert budget.held_bytes == 0


def _endless(head: str, sent: list[int]) -> Script:
    block = bytes(64 * 1024)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{head}\r\n\r\n".encode())
        while True:
            writer.write(b"10000\r\n%s\r\n" % block if "chunked" in head else block)
            await writer.drain()
            sent[0] += len(block)

    return serve


@EVERY_CLIENT
async def test_answers_that_are_held_together_are_bounded(client: ProviderClient) -> None:
    body = ANSWER + b" " * (600 * 1024)
    budget = AnswerBudget(1024 * 1024)
    provider = Server(plain(body))
    async with listening(provider.serve) as port, opened(client, budget) as transport:
        request = client.request(f"http://127.0.0.1:{port}")
        async with transport.open(request, client.provider) as response:
            await response.read(LIMIT)
            assert budget.held_bytes == len(body)
            with pytest.raises(AnswersTooLarge):
                await ask(transport, client, port)
            assert budget.held_bytes == len(body)
        assert budget.held_bytes == 0
        assert (await ask(transport, client, port))[0] == 200
    assert budget.held_bytes == 0


@pytest.mark.parametrize("value", [b"{}", b"[]", b'"ab"', b'{"":1}'])
async def test_an_answer_of_more_values_than_memory_is_for_is_not_parsed(
    value: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them is 60 bytes and more in Python."""
    monkeypatch.setattr("gateway_router.transports.transport.MAX_ANSWER_VALUES", VALUES)
    monkeypatch.setattr("gateway_router.transports.transport._SURELY_FEW_BYTES", VALUES)
    client = ProviderClient("http1")
    for count, is_taken in ((VALUES // 4, True), (VALUES + 1, False)):
        body = b"[" + b",".join([value] * count) + b"]"
        async with listening(Server(plain(body)).serve) as port, opened(client) as transport:
            request = client.request(f"http://127.0.0.1:{port}")
            with nullcontext() if is_taken else pytest.raises(UpstreamCut, match="values"):
                async with transport.open(request, client.provider) as response:
                    assert await response.read(128 * LIMIT) == body
