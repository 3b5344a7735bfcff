"""The one router is killed under 256 calls: each client is told at once what happened, and soon all is as before."""

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

from tests.acceptance.beside import Process, children_of, edge_with_routers
from tests.acceptance.ledger import Ledger
from tests.acceptance.metrics_text import total
from tests.acceptance.stack import Stack, get_json, wait_until

CALLS = 256
TOLD_WITHIN_S = 3 * 2.0
SERVED_AGAIN_WITHIN_S = 30.0
"""From the kill: the router's start, with all its imports, is nearly all of it."""
ROWS_WITHIN_S = 60.0

Alone = tuple[Process, Process]


@pytest.fixture
def alone(stack: Stack) -> Iterator[Alone]:
    generous = {"REQUESTS_PER_MINUTE": "6000000", "CONCURRENT_REQUESTS": "20000"}
    with edge_with_routers(stack, 1, **generous) as (edge, (router,)):
        yield edge, router


@dataclass(frozen=True)
class Answer:
    """`body` ends with an error, as a whole answer or as a stream's last event, when the call failed."""

    status: int
    retry_after: str | None
    body: bytes

    @property
    def error_code(self) -> str | None:
        last = self.body.strip().rpartition(b"\n")[2].removeprefix(b"data: ")
        return None if last == b"[DONE]" else orjson.loads(last).get("error", {}).get("code")


class Calls:
    """Half of them plain, half of them streams that have begun."""

    def __init__(self, stack: Stack, edge: Process, session: aiohttp.ClientSession) -> None:
        self.marker = uuid.uuid4().hex
        self.begun_streams = 0
        self._url = f"http://127.0.0.1:{edge.port}/v1/chat/completions"
        self._session = session
        self._headers = {
            "Authorization": f"Bearer {stack.run['standard_key']}",
            "Content-Type": "application/json",
            "X-Agent-Run-Id": self.marker,
        }

    async def ask(self, directive: str, *, stream: bool = False) -> Answer:
        content = f"[[sim id={self.marker} {directive}]]"
        body = {"model": "gpt-4o", "stream": stream, "messages": [{"role": "user", "content": content}]}
        async with self._session.post(self._url, data=orjson.dumps(body), headers=self._headers) as answer:
            self.begun_streams += stream
            return Answer(answer.status, answer.headers.get("Retry-After"), await answer.read())

    def held(self) -> "list[asyncio.Task[Answer]]":
        streams = [asyncio.create_task(self.ask("words=3 hold_after=1", stream=True)) for _ in range(CALLS // 2)]
        return [*streams, *(asyncio.create_task(self.ask("words=3 ttft_ms=600000")) for _ in range(CALLS // 2))]


def end_the_service(router: Process) -> Callable[[], None]:
    """As a machine's reboot does; somebody starts it again."""
    router.kill()
    return router.start


def end_its_worker(router: Process) -> Callable[[], None]:
    """As the system does when memory runs out; the supervisor starts another."""
    (worker,) = children_of(router.pid)
    os.kill(worker, signal.SIGKILL)
    return lambda: None


@pytest.mark.parametrize("kill", [end_the_service, end_its_worker])
async def test_every_call_is_told_and_later_ones_are_served_when_the_router_is_back(
    stack: Stack, ledger: Ledger, alone: Alone, kill: Callable[[Process], Callable[[], None]]
) -> None:
    edge, router = alone
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        calls = Calls(stack, edge, session)
        tasks = calls.held()
        await asyncio.to_thread(wait_until, lambda: open_calls(stack) >= CALLS, within_s=30, what="all calls are open")
        await asyncio.to_thread(wait_until, lambda: calls.begun_streams == CALLS // 2, within_s=30, what="they stream")
        start_again = kill(router)
        answers = await asyncio.wait_for(asyncio.gather(*tasks), TOLD_WITHIN_S)
        start_again()
        async with asyncio.timeout(SERVED_AGAIN_WITHIN_S):
            while (again := await calls.ask("words=3")).status != 200:
                assert (again.status, again.error_code) == (503, "router_unavailable")
        later = await asyncio.gather(*(calls.ask("words=3") for _ in range(CALLS)))

    streams, plain = answers[: CALLS // 2], answers[CALLS // 2 :]
    assert Counter((one.status, one.error_code) for one in streams) == {(200, "router_unavailable"): CALLS // 2}
    assert Counter((one.status, one.error_code) for one in plain) == {(503, "router_unavailable"): CALLS // 2}
    assert all(one.retry_after for one in plain)
    assert Counter(one.status for one in later) == {200: CALLS}
    assert total(edge.metrics(), "gateway_edge_requests_in_flight") == 0
    answered = 1 + CALLS
    rows = await ledger.wait_for_rows(
        "SELECT status FROM billing.attempts WHERE agent_run_id = $1",
        calls.marker,
        at_least=CALLS + answered,
        within_s=ROWS_WITHIN_S,
    )
    assert len(rows) == CALLS + answered
    assert Counter(row["status"] for row in rows)["settled"] == answered


def open_calls(stack: Stack) -> int:
    return int(get_json(f"{stack.simulator_url}/simulator/stats")["open_requests"])
