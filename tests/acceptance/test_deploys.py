"""SIGTERM, as a deploy sends it (RELIABILITY: F17); two routers are in test_two_routers."""

import asyncio
import signal
import time
from collections import Counter

import aiohttp
import orjson
import pytest

from tests.acceptance.beside import Process, edge_with_routers, edges_before_the_router
from tests.acceptance.ledger import Ledger
from tests.acceptance.metrics_text import total
from tests.acceptance.stack import Stack, wait_until
from tests.acceptance.streams import StreamClient, finished, held, opened, provider_log, rows_of

DRAIN_S = 3.0
UNREADY_WITHIN_S = 3 * 1.0
ENDED_WITHIN_S = DRAIN_S + 15
STREAMS = 10
CHECK_EVERY_S = 0.2
ROWS_WITHIN_S = 20.0


@pytest.mark.parametrize("service", ["router", "edge"])
async def test_what_runs_gets_its_time_and_what_remains_is_told(stack: Stack, ledger: Ledger, service: str) -> None:
    with edge_with_routers(stack, 1, CONCURRENT_REQUESTS="1000", DRAIN_S=str(DRAIN_S)) as (edge, (router,)):
        process = router if service == "router" else edge
        before = await ledger.event_count()
        long = await opened(stack, edge.port, STREAMS, "words=5 hold_after=2")
        await held(stack, STREAMS)
        short = await opened(stack, edge.port, STREAMS, "words=10 delay_ms=100")
        stopped_s = time.monotonic()
        process.send(signal.SIGTERM)
        unready_s = await asyncio.to_thread(seconds_until_unready, process)
        await finished([*short, *long])
        code = await asyncio.to_thread(process.wait)
        ended_s = time.monotonic() - stopped_s
        # nobody has started the router again: what there is it published before it ended
        rows = await rows_of(ledger, [*short, *long], within_s=ROWS_WITHIN_S)
    asked = await provider_log(stack, [*short, *long])
    print(
        f"{2 * STREAMS} clients, {len(asked)} calls at the provider, {before} events before, {len(rows)} more; "
        f"unready after {unready_s * 1000:.0f} ms, ended with {code} after {ended_s:.1f} s"
    )
    assert (code, unready_s < UNREADY_WITHIN_S) == (0, True)
    assert DRAIN_S <= ended_s < ENDED_WITHIN_S
    assert all(stream.is_complete and stream.error_code is None for stream in short)
    assert {rows[stream.run_id]["status"] for stream in short} == {"settled"}
    assert {stream.error_code for stream in long} == {"overloaded"}
    assert not any(stream.is_complete for stream in long)
    assert {rows[stream.run_id]["status"] for stream in long} == {"partial"}


def seconds_until_unready(process: Process) -> float:
    started_s = time.monotonic()
    wait_until(lambda: not process.is_ready(), within_s=10, what=f"{process.name} is unready")
    return time.monotonic() - started_s


class Balancer:
    """Clients behind a load balancer: a call goes to the next edge that was ready when it was last asked."""

    def __init__(self, stack: Stack, edges: list[Process], session: aiohttp.ClientSession) -> None:
        self.plain = Counter[int]()
        self._key = stack.run["standard_key"]
        self._edges = edges
        self._ready = list(edges)
        self._session = session
        self._turn = 0

    async def watch_until(self, over: asyncio.Event) -> None:
        while not over.is_set():
            self._ready = [edge for edge in self._edges if await self._is_ready(edge)]
            await asyncio.sleep(CHECK_EVERY_S)

    async def _is_ready(self, edge: Process) -> bool:
        try:
            async with self._session.get(f"{edge.ops_url}/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def ask_until(self, over: asyncio.Event) -> None:
        body = orjson.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "[[sim words=5]]"}]})
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        while not over.is_set():
            url = f"http://127.0.0.1:{self._next().port}/v1/chat/completions"
            async with self._session.post(url, data=body, headers=headers) as response:
                await response.read()
                self.plain[response.status] += 1

    async def stream(self) -> StreamClient:
        client = StreamClient(self._key, "words=20 delay_ms=100")
        await client.open(self._next().port)
        await client.finish()
        return client

    def _next(self) -> Process:
        self._turn += 1
        return self._ready[self._turn % len(self._ready)]


async def test_one_of_two_edges_is_restarted_under_load_and_no_request_fails(stack: Stack, ledger: Ledger) -> None:
    generous = {"REQUESTS_PER_MINUTE": "6000000", "CONCURRENT_REQUESTS": "1000", "DRAIN_S": "30", "DRAIN_NOTICE_S": "2"}
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    with edges_before_the_router(stack, 2, **generous) as edges:
        over = asyncio.Event()
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
            clients = Balancer(stack, edges, session)
            group.create_task(clients.watch_until(over))
            asking = [group.create_task(clients.ask_until(over)) for _ in range(3)]
            streams = [group.create_task(clients.stream()) for _ in range(STREAMS)]
            for edge in edges:
                edge.send(signal.SIGTERM)
                assert await asyncio.to_thread(edge.wait) == 0
                edge.start()
                await asyncio.to_thread(edge.wait_until_ready)
                streams += [group.create_task(clients.stream()) for _ in range(STREAMS)]
            seen = [await stream for stream in streams]
            over.set()
        assert all(task.done() for task in asking)
        served = [total(edge.metrics(), "auth_operations_total") for edge in edges]
    rows = await rows_of(ledger, seen, within_s=ROWS_WITHIN_S)
    print(
        f"{clients.plain.total()} answers and {len(seen)} streams; "
        f"{len(await provider_log(stack, seen))} streams at the provider, {len(rows)} in the ledger"
    )
    assert set(clients.plain) == {200}
    assert [one for one in seen if not one.is_complete] == []
    assert {row["status"] for row in rows.values()} == {"settled"}
    assert all(count > 0 for count in served), "an edge that came back got no call"
