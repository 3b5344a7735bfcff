"""A client that leaves at any moment, by close or by reset (RELIABILITY: F9).

It is metered once and marked as such, its provider is stopped, and its place in flight is free within a second.
"""

import asyncio
import socket
import struct
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp
import orjson
import pytest

from tests.acceptance.beside import Process, edge_with_routers
from tests.acceptance.ledger import Ledger
from tests.acceptance.stack import Stack, get_json, wait_until

WORDS = 8
MOMENTS = {"chunk 0": 0, "chunk 1": 1, "chunk n": 5, "last chunk": WORDS}
WAYS = ("close", "rst")
FREE_WITHIN_S = 3 * 1.0
"""Three times the stated bound."""
ROWS_WITHIN_S = 20.0


@dataclass(frozen=True)
class Leaver:
    moment: str
    way: str
    marker: str

    def request(self, key: str) -> bytes:
        content = f"[[sim words={WORDS} hold_after={MOMENTS[self.moment]} id={self.marker}]] one two three"
        body = orjson.dumps({"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": content}]})
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nX-Agent-Run-Id: {self.marker}\r\n\r\n"
        )
        return head.encode() + body


@pytest.fixture
def edge(stack: Stack) -> Iterator[Process]:
    """An edge whose keys may have one request in flight."""
    with edge_with_routers(stack, 1, CONCURRENT_REQUESTS="1", REQUESTS_PER_MINUTE="600000") as (edge, _):
        yield edge


async def test_each_is_one_marked_event_and_frees_its_place_within_a_second(
    stack: Stack, ledger: Ledger, edge: Process
) -> None:
    leavers = [Leaver(moment, way, uuid.uuid4().hex) for moment in MOMENTS for way in WAYS]
    before = await ledger.event_count()
    freed_s = {}
    async with aiohttp.ClientSession() as session:
        for leaver in leavers:
            await leave(stack, edge, leaver)
            freed_s[leaver.moment, leaver.way] = await seconds_until_free(stack, edge, session)
    rows = await ledger.wait_for_rows(
        "SELECT * FROM billing.attempts WHERE agent_run_id = ANY($1)",
        [leaver.marker for leaver in leavers],
        at_least=len(leavers),
        within_s=ROWS_WITHIN_S,
    )
    entries = [simulated(stack, leaver) for leaver in leavers]
    print(
        f"{len(leavers)} clients left, the provider was called {len(entries)} times for them, "
        f"the ledger had {before} events and has {len(rows)} of theirs; free again after "
        f"{max(freed_s.values()) * 1000:.0f} ms at most"
    )
    assert max(freed_s.values()) < FREE_WITHIN_S, freed_s
    assert [entry["ending"] for entry in entries] == ["client_gone"] * len(leavers)
    row_of = {row["agent_run_id"]: row for row in rows}
    assert len(rows) == len(row_of) == len(leavers)
    for leaver in leavers:
        row, sent = row_of[leaver.marker], MOMENTS[leaver.moment]
        assert (row["status"], row["finish_state"]) == ("partial", "client_disconnect"), leaver
        assert row["usage_source"] == "estimated"
        assert row["input_tokens"] > 0
        assert sent <= row["output_tokens"] <= WORDS * 4, (leaver, row["output_tokens"])
        assert row["cost_nano_usd"] > 0


async def leave(stack: Stack, edge: Process, leaver: Leaver) -> None:
    """Reads as many words as the provider has sent, and is gone."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(leaver.request(stack.run["standard_key"]))
    await asyncio.to_thread(wait_until, lambda: held(stack, leaver), within_s=10, what="the provider waits")
    received = b""
    while received.count(b'"content":') < MOMENTS[leaver.moment] + bool(MOMENTS[leaver.moment]):  # the role has one
        received += await reader.read(65536)
    if leaver.way == "rst":
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


async def seconds_until_free(stack: Stack, edge: Process, session: aiohttp.ClientSession) -> float:
    """Asks with the same key until it is no longer told that it has a request in flight."""
    body = orjson.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "[[sim words=1]]"}]})
    headers = {"Authorization": f"Bearer {stack.run['standard_key']}", "Content-Type": "application/json"}
    left_s = time.monotonic()
    while True:
        url = f"http://127.0.0.1:{edge.port}/v1/chat/completions"
        async with session.post(url, data=body, headers=headers) as answer:
            await answer.read()
            if answer.status == 200:
                return time.monotonic() - left_s
            assert answer.status == 429
        assert time.monotonic() - left_s < 10, "the place is never free"


def held(stack: Stack, leaver: Leaver) -> bool:
    entries = get_json(f"{stack.simulator_url}/simulator/requests?marker={leaver.marker}")
    return any(entry["held"] for entry in entries)


def simulated(stack: Stack, leaver: Leaver) -> dict[str, object]:
    """The one call that the provider got for it."""
    (entry,) = get_json(f"{stack.simulator_url}/simulator/requests?marker={leaver.marker}")
    assert isinstance(entry, dict)
    return entry
