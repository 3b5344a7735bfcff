"""Two routers behind one edge: one is drained and replaced, one is killed, under streams and plain requests."""

import asyncio
import os
import signal
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import aiohttp
import orjson
import pytest

from tests.acceptance.beside import Process, edge_with_routers
from tests.acceptance.ledger import Ledger
from tests.acceptance.metrics_text import total
from tests.acceptance.stack import Stack, get_json, wait_until

STREAMS = 60
WORDS = 60
DELAY_MS = 100
MODELS = ("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash", "Llama-3.3-70B-Instruct")
ROWS_WITHIN_S = 60.0


@dataclass
class Seen:
    """What a client saw of one stream."""

    marker: str
    status: int = 0
    complete: bool = False
    error_codes: tuple[str, ...] = ()


class Clients:
    """Streams, and plain requests one after the other; `plain` are the statuses of the latter."""

    def __init__(self, stack: Stack, edge: Process, session: aiohttp.ClientSession) -> None:
        self.plain: list[int] = []
        self._url = f"http://127.0.0.1:{edge.port}/v1/langchain/chat/completions"
        self._headers = {"Authorization": f"Bearer {stack.run['langchain_key']}", "Content-Type": "application/json"}
        self._session = session

    async def stream(self, number: int) -> Seen:
        seen = Seen(uuid.uuid4().hex)
        text = f"[[sim words={WORDS} delay_ms={DELAY_MS} id={seen.marker}]]"
        body = {"model": MODELS[number % len(MODELS)], "stream": True, "messages": [{"role": "user", "content": text}]}
        headers = {**self._headers, "X-Agent-Run-Id": seen.marker}
        async with self._session.post(self._url, data=orjson.dumps(body), headers=headers) as response:
            seen.status = response.status
            async for line in response.content:
                if line.strip() == b"data: [DONE]":
                    seen.complete = True
                elif line.startswith(b'data: {"error"'):
                    seen.error_codes += (orjson.loads(line[6:])["error"]["code"],)
        return seen

    async def ask(self, until: asyncio.Event) -> None:
        body = orjson.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "[[sim words=5]]"}]})
        while not until.is_set():
            async with self._session.post(self._url, data=body, headers=self._headers) as response:
                await response.read()
                self.plain.append(response.status)


@pytest.fixture
def two_routers(stack: Stack) -> Iterator[tuple[Process, list[Process]]]:
    generous = {"REQUESTS_PER_MINUTE": "600000", "CONCURRENT_REQUESTS": "500", "DRAIN_S": "30"}
    with edge_with_routers(stack, 2, **generous) as processes:
        yield processes


def open_streams(stack: Stack) -> int:
    return int(get_json(f"{stack.simulator_url}/simulator/stats")["open_streams"])


async def met(condition: Callable[[], bool], *, within_s: float, what: str) -> None:
    await asyncio.to_thread(wait_until, condition, within_s=within_s, what=what)


async def test_a_router_is_drained_and_replaced_and_no_client_notices(
    stack: Stack, ledger: Ledger, two_routers: tuple[Process, list[Process]]
) -> None:
    edge, (first, _) = two_routers
    over = asyncio.Event()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session, asyncio.TaskGroup() as group:
        clients = Clients(stack, edge, session)
        asking = [group.create_task(clients.ask(over)) for _ in range(2)]
        streams = [group.create_task(clients.stream(number)) for number in range(STREAMS)]
        await met(lambda: open_streams(stack) >= STREAMS, within_s=20, what="all streams are open")
        first.send(signal.SIGTERM)
        assert await asyncio.to_thread(first.wait) == 0
        await asyncio.to_thread(first.start)
        await asyncio.to_thread(first.wait_until_ready)
        later = [group.create_task(clients.stream(number)) for number in range(STREAMS)]
        seen = [await task for task in (*streams, *later)]
        over.set()
    assert all(task.done() for task in asking)
    assert Counter(clients.plain) == {200: len(clients.plain)}
    assert [one for one in seen if not one.complete or one.error_codes] == []
    assert served_streams(first) > 0, "the replacement got no call"
    await assert_one_event_each(ledger, seen, {"settled"})


async def test_a_router_that_is_killed_takes_its_own_streams_only(
    stack: Stack, ledger: Ledger, two_routers: tuple[Process, list[Process]]
) -> None:
    edge, (victim, other) = two_routers
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session, asyncio.TaskGroup() as group:
        clients = Clients(stack, edge, session)
        streams = [group.create_task(clients.stream(number)) for number in range(STREAMS)]
        await met(lambda: open_streams(stack) >= STREAMS, within_s=20, what="all streams are open")
        kept = open_calls(other)
        assert 0 < kept < STREAMS
        os.kill(victim.pid, signal.SIGKILL)
        await asyncio.wait(streams, return_when=asyncio.FIRST_COMPLETED)  # the edge has heard
        later = [group.create_task(clients.stream(number)) for number in range(10)]
        seen = [await task for task in streams]
        after = [await task for task in later]
    victim.wait()
    victim.start()  # its journal tells what it had begun
    victim.wait_until_ready()
    complete = [one for one in seen if one.complete]
    broken = [one for one in seen if not one.complete]
    assert len(complete) == kept
    assert all(one.error_codes == () for one in complete)
    assert [one for one in broken if one.status == 200 and one.error_codes != ("router_unavailable",)] == []
    assert [one for one in after if not one.complete] == []
    await assert_one_event_each(ledger, [*complete, *after], {"settled"})
    await assert_one_event_each(ledger, broken, {"partial", "unknown"})


def served_streams(router: Process) -> float:
    return metric(router, "gateway_router_calls_total")


def open_calls(router: Process) -> int:
    return int(metric(router, "gateway_router_open_calls"))


def metric(router: Process, name: str) -> float:
    return total(router.metrics(), name)


async def assert_one_event_each(ledger: Ledger, seen: list[Seen], statuses: set[str]) -> None:
    markers = sorted(one.marker for one in seen)
    rows = await ledger.wait_for_rows(
        "SELECT agent_run_id, status FROM billing.attempts WHERE agent_run_id = ANY($1)",
        markers,
        at_least=len(markers),
        within_s=ROWS_WITHIN_S,
    )
    assert Counter(row["agent_run_id"] for row in rows) == dict.fromkeys(markers, 1)
    assert {row["status"] for row in rows} <= statuses
