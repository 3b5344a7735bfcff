"""Edge and router with two workers each: one service to everybody outside, and a worker's death is its own."""

import asyncio
import os
import signal
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import orjson
import pytest

from tests.acceptance.ledger import Ledger
from tests.acceptance.metrics_text import total
from tests.acceptance.stack import Stack, get_json, running_stack, wait_until
from tests.acceptance.streams import held, release

WORKERS = 2
STREAMS = 20
CONCURRENT_REQUESTS = 50
"""Of one key, by default."""
RECOVERY_S = 60.0
CHAT = "/v1/langchain/chat/completions"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    environ = {"EDGE_WORKERS": str(WORKERS), "ROUTER_WORKERS": str(WORKERS)}
    with running_stack(tmp_path_factory.mktemp("workers"), environ) as stack:
        yield stack


@pytest.fixture
def ledger(stack: Stack) -> Ledger:
    return Ledger(stack.run["postgres_dsn"])


def worker_pids(stack: Stack, service: str) -> list[int]:
    return [worker["pid"] for worker in get_json(f"{stack.run['ops_urls'][service]}/health")["workers"]]


def body(*, stream: bool, directive: str) -> bytes:
    text = f"Tell me something [[sim {directive}]]"
    return orjson.dumps({"model": "gpt-4o", "stream": stream, "messages": [{"role": "user", "content": text}]})


async def call(stack: Stack, run_id: str, *, stream: bool, directive: str) -> bytes:
    """Over a connection of its own; the whole answer. Raises ClientError when the connection breaks."""
    headers = {
        "Authorization": f"Bearer {stack.run['langchain_key']}",
        "Content-Type": "application/json",
        "X-Agent-Run-Id": run_id,
    }
    data = body(stream=stream, directive=directive)
    async with aiohttp.request("POST", f"{stack.edge_url}{CHAT}", data=data, headers=headers) as answer:
        assert answer.status == 200
        return await answer.read()


@pytest.mark.parametrize("service", ["edge", "router"])
def test_each_service_is_one_supervisor_with_its_workers(stack: Stack, service: str) -> None:
    pids = worker_pids(stack, service)
    assert len(set(pids)) == WORKERS
    assert stack.run["pids"][service] not in pids
    assert {_parent_of(pid) for pid in pids} == {stack.run["pids"][service]}


def _parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def test_requests_of_all_workers_are_counted_and_billed(stack: Stack, ledger: Ledger) -> None:
    before = total(stack.metrics(), "langchain_requests_total")
    run_id = f"run-{uuid.uuid4()}"
    async with asyncio.TaskGroup() as group:
        for _ in range(STREAMS):
            group.create_task(call(stack, run_id, stream=False, directive="words=5"))
    counted = total(await asyncio.to_thread(stack.metrics), "langchain_requests_total") - before
    assert counted == STREAMS
    rows = await ledger.wait_for_rows(
        "SELECT * FROM billing.attempts WHERE agent_run_id = $1", run_id, at_least=STREAMS, within_s=RECOVERY_S
    )
    assert [row["status"] for row in rows] == ["settled"] * STREAMS
    assert len(await _producers(stack, ledger)) == WORKERS, "one router worker does everything"


async def _producers(stack: Stack, ledger: Ledger) -> set[str]:
    """The router workers that take part in twenty requests at once."""
    run_id = f"run-{uuid.uuid4()}"
    async with asyncio.TaskGroup() as group:
        for _ in range(STREAMS):
            group.create_task(call(stack, run_id, stream=True, directive="words=10 delay_ms=20"))
    rows = await ledger.wait_for_rows(
        "SELECT * FROM billing.attempts WHERE agent_run_id = $1", run_id, at_least=STREAMS, within_s=RECOVERY_S
    )
    return {row["producer"] for row in rows}


async def test_a_keys_limit_is_one_over_all_workers(stack: Stack) -> None:
    async with asyncio.TaskGroup() as group:
        calls = [
            group.create_task(status_of_call(stack, directive="words=3 hold_after=1"))
            for _ in range(CONCURRENT_REQUESTS + 10)
        ]
        await held(stack, CONCURRENT_REQUESTS)
        async with asyncio.timeout(RECOVERY_S):
            for _, refused in zip(range(10), asyncio.as_completed(calls), strict=False):
                assert await refused == 429
        await release(stack)
    assert Counter(each.result() for each in calls) == {200: CONCURRENT_REQUESTS, 429: 10}


async def status_of_call(stack: Stack, *, directive: str) -> int:
    headers = {"Authorization": f"Bearer {stack.run['langchain_key']}", "Content-Type": "application/json"}
    data = body(stream=True, directive=directive)
    async with aiohttp.request("POST", f"{stack.edge_url}{CHAT}", data=data, headers=headers) as answer:
        await answer.read()
        return answer.status


async def test_a_killed_router_worker_takes_its_own_streams_and_no_others(stack: Stack, ledger: Ledger) -> None:
    run_id = f"run-{uuid.uuid4()}"
    victim, survivor = worker_pids(stack, "router")
    supervisor = stack.run["pids"]["router"]
    async with asyncio.TaskGroup() as group:
        calls = [
            group.create_task(call(stack, run_id, stream=True, directive="words=40 delay_ms=100"))
            for _ in range(STREAMS)
        ]
        await asyncio.to_thread(wait_until, lambda: _open_streams(stack) == STREAMS, within_s=15, what="open streams")
        os.kill(victim, signal.SIGKILL)
    answers = [each.result() for each in calls]
    complete = [answer for answer in answers if answer.endswith(b"data: [DONE]\n\n")]
    cut = [answer for answer in answers if answer not in complete]
    assert len(complete) > 0
    assert len(cut) > 0
    for answer in cut:
        last = answer.removesuffix(b"\n\n").rpartition(b"data: ")[2]
        assert orjson.loads(last)["error"]["type"] == "service_unavailable"
        assert b"[DONE]" not in answer

    rows = await ledger.wait_for_rows(
        "SELECT * FROM billing.attempts WHERE agent_run_id = $1", run_id, at_least=STREAMS, within_s=RECOVERY_S
    )
    assert len(rows) == STREAMS
    settled = [row for row in rows if row["status"] == "settled"]
    assert len(settled) == len(complete)
    assert len({row["producer"] for row in settled}) == 1
    assert len({row["producer"] for row in rows} - {row["producer"] for row in settled}) == 1

    await asyncio.to_thread(wait_until, stack.is_ready, within_s=RECOVERY_S, what="a new worker")
    assert stack.run["pids"]["router"] == supervisor
    now = await asyncio.to_thread(worker_pids, stack, "router")
    assert survivor in now
    assert victim not in now
    assert len(await _producers(stack, ledger)) == WORKERS, "the new worker has no connection"


def _open_streams(stack: Stack) -> int:
    return int(get_json(f"{stack.simulator_url}/simulator/stats")["open_streams"])
