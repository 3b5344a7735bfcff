"""Windows and cancellation: what a hop with many streams must keep apart."""

import asyncio
from pathlib import Path

import pytest

from gateway_shared.errors import (
    ServiceUnavailable,
)
from gateway_shared.hop import HopLost
from gateway_shared.hop_server import HopAnswer, HopCall
from gateway_shared.hop_stream import READ_BYTES, WINDOW_BYTES
from tests.integration.shared.hop_pair import for_the_edge, hop_client, hop_server, issue

CHUNK = b"x" * 4096


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    issue(tmp_path)
    return tmp_path


class Flood:
    """Writes without end, and counts what got away."""

    def __init__(self) -> None:
        self.sent_bytes = 0
        self.cancelled = asyncio.Event()
        self.open = 0

    async def serve(self, call: HopCall, answer: HopAnswer) -> None:
        self.open += 1
        try:
            await answer.start(200, {})
            while True:
                await answer.write(CHUNK)
                self.sent_bytes += len(CHUNK)
                await asyncio.sleep(0)
        finally:
            self.open -= 1
            self.cancelled.set()


async def echo(call: HopCall, answer: HopAnswer) -> None:
    await answer.send(200, {}, call.body)


async def settled(flood: Flood) -> None:
    """Waits until the flood is at a stand: nothing more was sent while the loop turned 200 times."""
    still, last = 0, -1
    async with asyncio.timeout(20):
        while still < 200:
            await asyncio.sleep(0)
            still, last = (still + 1, last) if flood.sent_bytes == last else (0, flood.sent_bytes)


async def test_a_reader_that_stalls_stops_at_its_window_and_holds_up_nobody(folder: Path) -> None:
    flood = Flood()
    async with (
        hop_server(for_the_edge(flood=flood.serve, echo=echo), folder) as server,
        hop_client(folder, server, connections=1) as client,
        client.request("flood", b"{}"),
        client.request("flood", b"{}"),
    ):
        await settled(flood)
        for number in range(100):
            body = b"%d" % number * 1000
            async with client.request("echo", b"{}", body) as response:
                assert await response.read() == body
        assert flood.sent_bytes <= 2 * WINDOW_BYTES


async def test_what_needs_no_waiting_goes_on_at_once_until_the_window_is_full(folder: Path) -> None:
    put_bytes = 0
    has_put = asyncio.Event()

    async def put(call: HopCall, answer: HopAnswer) -> None:
        nonlocal put_bytes
        await answer.start(200, {})
        while answer.put(CHUNK):
            put_bytes += len(CHUNK)
        has_put.set()
        await answer.write(CHUNK)  # waits for the reader

    async with (
        hop_server(for_the_edge(put=put), folder) as server,
        hop_client(folder, server, connections=1) as client,
        client.request("put", b"{}") as response,
    ):
        await has_put.wait()
        assert put_bytes == WINDOW_BYTES
        assert len(await response.read()) == WINDOW_BYTES + len(CHUNK)


async def test_nothing_is_put_for_a_reader_that_has_left(folder: Path) -> None:
    has_left = asyncio.Event()
    was_put: list[bool] = []

    async def put(call: HopCall, answer: HopAnswer) -> None:
        await answer.start(200, {})
        was_put.append(answer.put(CHUNK))
        try:
            await asyncio.Event().wait()
        finally:
            was_put.append(answer.put(CHUNK))
            has_left.set()

    async with (
        hop_server(for_the_edge(put=put), folder) as server,
        hop_client(folder, server, connections=1) as client,
    ):
        async with client.request("put", b"{}") as response:
            await anext(response.chunks())
        await has_left.wait()
    assert was_put == [True, False]


async def test_what_a_reader_has_in_its_hands_counts_as_unread(folder: Path) -> None:
    flood = Flood()
    async with (
        hop_server(for_the_edge(flood=flood.serve), folder) as server,
        hop_client(folder, server, connections=1) as client,
        client.request("flood", b"{}") as response,
    ):
        chunks = response.chunks()
        held = 0
        while held < WINDOW_BYTES // 2:
            await settled(flood)
            chunk = await anext(chunks)
            assert len(chunk) <= READ_BYTES
            held += len(chunk)
        await settled(flood)
        assert flood.sent_bytes <= WINDOW_BYTES
        while flood.sent_bytes <= WINDOW_BYTES:  # who comes again has done with it
            await anext(chunks)


async def test_a_stalled_stream_goes_on_where_it_stopped(folder: Path) -> None:
    async def count(call: HopCall, answer: HopAnswer) -> None:
        await answer.start(200, {})
        for number in range(200_000):
            await answer.write(b"%08d" % number)

    async with (
        hop_server(for_the_edge(count=count), folder) as server,
        hop_client(folder, server) as client,
        client.request("count", b"{}") as response,
    ):
        got = await response.read()
    assert got == b"".join(b"%08d" % number for number in range(200_000))


async def test_a_large_body_does_not_block_small_ones(folder: Path) -> None:
    large = bytes(20 * 1024 * 1024)
    async with (
        hop_server(for_the_edge(echo=echo), folder) as server,
        hop_client(folder, server, connections=1) as client,
    ):

        async def send_large() -> int:
            async with client.request("echo", b"{}", large) as response:
                return len(await response.read())

        sending = asyncio.create_task(send_large())
        small = 0
        while not sending.done():
            async with client.request("echo", b"{}", b"small") as response:
                assert await response.read() == b"small"
            small += 1
        assert await sending == len(large)
        assert small > 20


async def test_leaving_cancels_at_the_router_within_a_hundred_milliseconds(folder: Path) -> None:
    flood = Flood()
    async with hop_server(for_the_edge(flood=flood.serve), folder) as server, hop_client(folder, server) as client:
        async with client.request("flood", b"{}") as response:
            assert await anext(aiter(response.chunks()))
        await asyncio.wait_for(flood.cancelled.wait(), 0.3)  # three times the stated bound
        assert flood.open == 0


@pytest.mark.parametrize("fault", [ServiceUnavailable, ValueError])
async def test_an_operation_that_fails_after_its_head_ends_its_own_stream_at_the_edge(
    folder: Path, fault: type[Exception]
) -> None:
    gate = asyncio.Event()

    async def fail(call: HopCall, answer: HopAnswer) -> None:
        await answer.start(200, {})
        await answer.write(b"first ")
        await gate.wait()
        raise fault

    async def last(call: HopCall, answer: HopAnswer) -> None:
        await answer.start(200, {})
        await gate.wait()
        await answer.write(b"last")

    async with (
        hop_server(for_the_edge(fail=fail, last=last), folder) as server,
        hop_client(folder, server, connections=1) as client,
        client.request("last", b"{}") as beside,
        client.request("fail", b"{}") as response,
    ):
        chunks = response.chunks()
        assert await anext(chunks) == b"first "
        gate.set()
        with pytest.raises(HopLost):
            await asyncio.wait_for(anext(chunks), 0.3)  # three times the stated bound
        assert await beside.read() == b"last"
        assert [len(link.streams) for link in server.links] == [0]
