"""Clients that leave, routers that go away, and places in flight that must come back."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

import openai
import pytest

from gateway_edge.resources import LIMITS
from gateway_shared.hop_link import Link
from gateway_shared.hop_server import HopAnswer, HopCall
from tests.integration.edge.conftest import Keys
from tests.integration.edge.running_edge import (
    CHAT,
    GOOD,
    Client,
    as_operator,
    edge_settings,
    make_key,
    running_edge,
    running_stack,
    total,
)
from tests.integration.edge.stand_in_router import StandInRouter
from tests.servers import Postgres

FIRST = b'data: {"n":1}\n\n'


class Hanging:
    """Sends `first` (or nothing, not even a head, when empty) and waits until it is cancelled."""

    def __init__(self, first: bytes = FIRST) -> None:
        self.first = first
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self, call: HopCall, answer: HopAnswer) -> None:
        try:
            if self.first:
                await answer.start(200, {"Content-Type": "text/event-stream"})
                await answer.write(self.first)
            self.waiting.set()
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()


def cut_after(data: bytes, *, start: bool = True) -> object:
    async def answer_and_cut(call: HopCall, answer: HopAnswer) -> None:
        if start:
            await answer.start(200, {"Content-Type": "text/event-stream"})
            await answer.write(data)
        link = answer._stream._link
        assert isinstance(link, Link)
        link.close()  # what was written still leaves
        await asyncio.Event().wait()

    return answer_and_cut


@pytest.fixture
async def stack(edge_database: Postgres) -> AsyncIterator[tuple[Client, StandInRouter]]:
    async with running_stack(edge_database) as both:
        yield both


Stack = tuple[Client, StandInRouter]


def raw_call(client: Client, key: str, body: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", client.port))
    head = (
        f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return connection


@pytest.mark.parametrize("first", [b"", FIRST], ids=["before the first byte", "mid-stream"])
@pytest.mark.parametrize("by_reset", [False, True], ids=["by close", "by reset"])
async def test_a_client_that_leaves_cancels_the_call_and_frees_its_place_within_a_second(
    stack: Stack, edge_database: Postgres, first: bytes, by_reset: bool
) -> None:
    client, router = stack
    router.answer = hanging = Hanging(first)
    key, _ = await make_key(edge_database, "gw", tenant="one-at-a-time")
    async with as_operator(edge_database) as connection:
        await connection.execute("UPDATE edge.plan SET concurrent_requests = 1 WHERE tenant_id = 'one-at-a-time'")
    left = raw_call(client, key, b'{"model":"m","messages":[{"role":"user"}],"stream":true}')
    async with asyncio.timeout(10):
        await hanging.waiting.wait()
    async with client.post(key) as answer:
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
    if by_reset:
        left.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    left.close()
    async with asyncio.timeout(3 * 1.0):
        await hanging.cancelled.wait()
    router.answer = Hanging(FIRST)
    async with asyncio.timeout(3 * 1.0):
        async with client.post(key, {**GOOD, "stream": True}) as answer:
            assert answer.status == 200


async def test_a_router_that_cannot_be_reached_is_503_with_retry_after(edge_database: Postgres, api_keys: Keys) -> None:
    settings = edge_settings(edge_database, "https://localhost:1")
    async with running_edge(settings) as client, client.post(api_keys.gw) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (503, "router_unavailable")
        assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("start", [False, True], ids=["without a head", "after the head"])
async def test_a_router_lost_before_the_first_byte_is_503(stack: Stack, api_keys: Keys, start: bool) -> None:
    client, router = stack
    router.answer = cut_after(b"", start=start)  # type: ignore[assignment]
    async with client.post(api_keys.gw, {**GOOD, "stream": True}) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (503, "router_unavailable")


@pytest.mark.parametrize(
    ("relayed", "told"), [(FIRST, FIRST), (b'data: {"n":', b'data: {"n":\n\n')], ids=["between events", "in an event"]
)
async def test_a_router_lost_mid_stream_ends_the_stream_with_an_error_event(
    stack: Stack, api_keys: Keys, relayed: bytes, told: bytes
) -> None:
    client, router = stack
    router.answer = cut_after(relayed)  # type: ignore[assignment]
    lost_before = total("gateway_edge_hop_lost_total", moment="mid_stream")
    async with client.post(api_keys.gw, {**GOOD, "stream": True}) as answer:
        assert answer.status == 200
        text = await answer.read()
    assert text.startswith(told + b'data: {"error":{"message":')
    assert b'"code":"router_unavailable"' in text
    assert text.endswith(b"}}\n\n")
    assert b"[DONE]" not in text
    assert total("gateway_edge_hop_lost_total", moment="mid_stream") == lost_before + 1


async def test_the_openai_sdk_raises_when_the_router_is_lost_mid_stream(stack: Stack, api_keys: Keys) -> None:
    client, router = stack
    chunk = (
        b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":'
        b'[{"index":0,"delta":{"role":"assistant","content":"hel"},"finish_reason":null}]}\n\n'
    )
    router.answer = cut_after(chunk)  # type: ignore[assignment]
    async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{client.port}/v1", api_key=api_keys.gw) as sdk:
        stream = await sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}], stream=True)
        with pytest.raises(openai.APIError, match="router cannot be reached"):
            _ = [chunk async for chunk in stream]


async def test_a_client_that_does_not_read_stops_the_stream_and_not_the_others(stack: Stack, api_keys: Keys) -> None:
    client, router = stack
    written = 0
    stalled = asyncio.Event()

    async def flood(call: HopCall, answer: HopAnswer) -> None:
        nonlocal written
        await answer.start(200, {"Content-Type": "text/event-stream"})
        while True:
            async with asyncio.timeout(None) as patience:
                patience.reschedule(asyncio.get_running_loop().time() + 0.5)
                try:
                    await answer.write(b"data: " + b"x" * 100_000 + b"\n\n")
                except asyncio.CancelledError:
                    stalled.set()
                    raise
            written += 100_000

    router.answer = flood
    connection = raw_call(client, api_keys.gw, b'{"model":"m","messages":[{"role":"user"}],"stream":true}')
    async with asyncio.timeout(20):
        await stalled.wait()
    assert written < 64 * 1024 * 1024
    async with client.get("/v1/models", api_keys.gw) as answer:
        assert answer.status == 200
    connection.close()


async def test_no_place_in_flight_is_left_behind(stack: Stack, api_keys: Keys) -> None:
    client, router = stack
    for answer_function in (cut_after(FIRST), cut_after(b"", start=False)):
        router.answer = answer_function  # type: ignore[assignment]
        async with client.post(api_keys.gw, {**GOOD, "stream": True}) as answer:
            await answer.read()
    async with client.post(api_keys.gw, b"{") as answer:
        assert answer.status == 400
    assert all(state.in_flight == 0 for state in client.edge.app[LIMITS]._states._states.values())
    assert client.edge.app[LIMITS]._states._states
