"""Five times as many clients as the gateway takes: the excess is told so at once, memory stays, nothing is lost."""

import asyncio
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import aiohttp
import orjson
import pytest

from tests.acceptance.beside import Process, edge_with_routers
from tests.acceptance.ledger import Ledger
from tests.acceptance.stack import Stack, get_json, wait_until

BOUND = 40
TIMES = 5
LARGE = "x" * 200_000
GROWTH = 1.5
"""Peak memory of the end against that of the middle: the allocator's slack, while nothing piles up."""
ROWS_WITHIN_S = 60.0

Alone = tuple[Process, Process]


def settings(**bound: str) -> dict[str, str]:
    return {"REQUESTS_PER_MINUTE": "6000000", "CONCURRENT_REQUESTS": "20000", **bound}


@pytest.fixture(params=["MAX_REQUESTS_IN_FLIGHT", "MAX_OPEN_CALLS"], ids=["edge", "router"])
def bounded(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Alone]:
    """An edge and its router; one of them takes BOUND calls at once."""
    with edge_with_routers(stack, 1, **settings(**{request.param: str(BOUND)})) as (edge, (router,)):
        yield edge, router


@dataclass
class Load:
    """Clients that ask again and again; what they were answered."""

    stack: Stack
    edge: Process
    session: aiohttp.ClientSession
    marker: str = field(default_factory=lambda: uuid.uuid4().hex)
    statuses: Counter[int] = field(default_factory=Counter)
    refusals: list[dict[str, object]] = field(default_factory=list)

    async def ask(self, directive: str, *, text: str = "", stream: bool = False) -> tuple[int, bytes]:
        content = f"[[sim id={self.marker} {directive}]]{text}"
        body = {"model": "gpt-4o", "stream": stream, "messages": [{"role": "user", "content": content}]}
        headers = {
            "Authorization": f"Bearer {self.stack.run['standard_key']}",
            "Content-Type": "application/json",
            "X-Agent-Run-Id": self.marker,
        }
        url = f"http://127.0.0.1:{self.edge.port}/v1/chat/completions"
        async with self.session.post(url, data=orjson.dumps(body), headers=headers) as response:
            answer = await response.read()
            self.statuses[response.status] += 1
            if response.status != 200:
                assert int(response.headers["Retry-After"]) >= 1
                assert orjson.loads(answer)["error"]["code"] == "overloaded"
            return response.status, answer

    async def ask_until(self, end_s: float) -> None:
        while time.monotonic() < end_s:
            status, _ = await self.ask("words=5 ttft_ms=100", text=LARGE)
            if status != 200:
                await asyncio.sleep(0.05)  # sooner than it was told


async def test_the_excess_is_refused_while_the_rest_is_held(stack: Stack, bounded: Alone) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        load = Load(stack, bounded[0], session)
        held = [asyncio.create_task(load.ask("words=5 hold_after=1", stream=True)) for _ in range(BOUND)]
        await asyncio.to_thread(
            wait_until, lambda: held_calls(stack) >= BOUND, within_s=20, what="the bound is reached"
        )
        excess = await asyncio.gather(*(load.ask("words=5", text=LARGE) for _ in range((TIMES - 1) * BOUND)))
        assert Counter(status for status, _ in excess) == {503: (TIMES - 1) * BOUND}
        assert not any(task.done() for task in held)
        await asyncio.to_thread(release, stack, load.marker)
        assert [(await task)[0] for task in held] == [200] * BOUND


@pytest.mark.parametrize("lasts_s", [8, pytest.param(60, marks=pytest.mark.long)])
async def test_memory_is_flat_under_five_times_the_load_and_all_is_served_again(
    stack: Stack, ledger: Ledger, bounded: Alone, lasts_s: int
) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        load = Load(stack, bounded[0], session)
        started_s = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for _ in range(TIMES * BOUND):
                group.create_task(load.ask_until(started_s + lasts_s))
            await asyncio.sleep(lasts_s / 4)
            early = await peaks(bounded, until_s=started_s + lasts_s * 5 / 8)
            late = await peaks(bounded, until_s=started_s + lasts_s)
        assert set(load.statuses) == {200, 503}
        assert all(after < GROWTH * before for before, after in zip(early, late, strict=True)), (early, late)
        again = await asyncio.gather(*(load.ask("words=5") for _ in range(BOUND)))
        assert [status for status, _ in again] == [200] * BOUND
    answered = load.statuses[200]
    rows = await ledger.wait_for_rows(
        "SELECT status FROM billing.attempts WHERE agent_run_id = $1",
        load.marker,
        at_least=answered,
        within_s=ROWS_WITHIN_S,
    )
    assert Counter(row["status"] for row in rows) == {"settled": answered}


async def peaks(processes: Alone, *, until_s: float) -> list[int]:
    """The most that each process held, looked at twice a second."""
    most = [0 for _ in processes]
    while time.monotonic() < until_s:
        most = [max(before, process.resident_bytes()) for before, process in zip(most, processes, strict=True)]
        await asyncio.sleep(0.5)
    return most


def held_calls(stack: Stack) -> int:
    return int(get_json(f"{stack.simulator_url}/simulator/stats")["held"])


def release(stack: Stack, marker: str) -> None:
    request = urllib.request.Request(f"{stack.simulator_url}/simulator/release?marker={marker}", method="POST")
    urllib.request.urlopen(request, timeout=10).close()
