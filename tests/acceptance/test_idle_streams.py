"""Streams that are open and say nothing: what each costs in memory, over edge and router."""

import asyncio
import os
import urllib.request
import uuid
from collections.abc import Iterator

import orjson
import pytest

from tests.acceptance.beside import Process, edge_with_routers
from tests.acceptance.ledger import Ledger
from tests.acceptance.stack import Stack

STREAMS = int(os.environ.get("IDLE_STREAMS", "1000"))
"""IDLE_STREAMS=5000 by hand: each process then needs as many descriptors (`ulimit -n`)."""
AT_ONCE = 50
BYTES_PER_STREAM = 60_000
"""The target, edge and router together (PERFORMANCE)."""
ROWS_WITHIN_S = 60.0
LARGE = "x" * 200_000


@pytest.fixture
def alone(stack: Stack) -> Iterator[tuple[Process, Process]]:
    """An edge and its router that nobody else uses."""
    generous = {"REQUESTS_PER_MINUTE": "6000000", "CONCURRENT_REQUESTS": "20000"}
    with edge_with_routers(stack, 1, **generous) as (edge, (router,)):
        yield edge, router


class IdleStream:
    """One client's connection, read as far as the first word."""

    def __init__(self, edge: Process, key: str, marker: str, text: str = "") -> None:
        body = {
            "model": "gpt-4o",
            "stream": True,
            "messages": [{"role": "user", "content": f"[[sim words=3 hold_after=1 id={marker}]]{text}"}],
        }
        content = orjson.dumps(body)
        self._port = edge.port
        self._request = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\nX-Agent-Run-Id: {marker}\r\n\r\n"
        ).encode() + content

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(self._request)
        assert (await self._reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        await self._reader.readuntil(b'"content":')

    async def finish(self) -> None:
        await self._reader.readuntil(b"data: [DONE]\n\n")
        self._writer.close()


@pytest.mark.long
async def test_an_idle_stream_costs_less_than_sixty_kilobytes(
    stack: Stack, ledger: Ledger, alone: tuple[Process, Process]
) -> None:
    marker = uuid.uuid4().hex
    key = stack.run["standard_key"]
    # what is made once, with the first streams, is no cost of the next
    first = [IdleStream(alone[0], key, marker) for _ in range(AT_ONCE)]
    await opened(first)
    before = [process.resident_bytes() for process in alone]
    streams = [IdleStream(alone[0], key, marker) for _ in range(STREAMS)]
    await opened(streams)
    each = [(process.resident_bytes() - start) / STREAMS for process, start in zip(alone, before, strict=True)]
    await asyncio.to_thread(release, stack, marker)
    await asyncio.gather(*(stream.finish() for stream in (*first, *streams)))
    assert sum(each) < BYTES_PER_STREAM, each
    rows = await ledger.wait_for_rows(
        "SELECT status FROM billing.attempts WHERE agent_run_id = $1",
        marker,
        at_least=AT_ONCE + STREAMS,
        within_s=ROWS_WITHIN_S,
    )
    assert len(rows) == AT_ONCE + STREAMS
    assert {row["status"] for row in rows} == {"settled"}


@pytest.mark.long
async def test_the_edge_does_not_hold_the_body_of_a_stream_that_has_begun(
    stack: Stack, alone: tuple[Process, Process]
) -> None:
    edge, marker, key = alone[0], uuid.uuid4().hex, stack.run["standard_key"]
    first = [IdleStream(edge, key, marker, LARGE) for _ in range(AT_ONCE)]
    await opened(first)
    before = edge.resident_bytes()
    streams = [IdleStream(edge, key, marker, LARGE) for _ in range(200)]
    await opened(streams)
    each = (edge.resident_bytes() - before) / len(streams)
    await asyncio.to_thread(release, stack, marker)
    await asyncio.gather(*(stream.finish() for stream in (*first, *streams)))
    assert each < len(LARGE) / 2


async def opened(streams: list[IdleStream]) -> None:
    for start in range(0, len(streams), AT_ONCE):
        await asyncio.gather(*(stream.open() for stream in streams[start : start + AT_ONCE]))


def release(stack: Stack, marker: str) -> None:
    request = urllib.request.Request(f"{stack.simulator_url}/simulator/release?marker={marker}", method="POST")
    urllib.request.urlopen(request, timeout=10).close()
