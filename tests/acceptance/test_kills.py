"""SIGKILL of each part behind the router under 50 open streams: the ledger ends exact, and no client notices.

The router's own kills are in test_router_kills.
"""

import asyncio
import os
import signal
import uuid
from collections import Counter
from dataclasses import dataclass

import aiohttp
import orjson
import pytest

from tests.acceptance.ledger import Ledger, Row
from tests.acceptance.stack import Stack, get_json, wait_until

STREAMS = 60
OPEN_STREAMS = 50
WORDS = 60
DELAY_MS = 100
RECOVERY_S = 90.0
MODELS = ("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash", "Llama-3.3-70B-Instruct")
DOORS = (("/v1/langchain/chat/completions", "langchain_key"), ("/v1/chat/completions", "standard_key"))


@dataclass(frozen=True)
class Outcome:
    """What one client saw: `complete` means that the stream came to its `[DONE]`."""

    marker: str
    complete: bool


async def stream_once(session: aiohttp.ClientSession, stack: Stack, number: int) -> Outcome:
    """Models and keys take turns: one key alone may have 50 requests open."""
    model = MODELS[number % len(MODELS)]
    path, key = DOORS[number // len(MODELS) % len(DOORS)]
    marker = uuid.uuid4().hex
    text = f"Tell me something [[sim words={WORDS} delay_ms={DELAY_MS} id={marker}]]"
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": text}]}
    headers = {"Authorization": f"Bearer {stack.run[key]}", "X-Agent-Run-Id": marker}
    complete = False
    try:
        async with session.post(f"{stack.edge_url}{path}", data=orjson.dumps(body), headers=headers) as response:
            async for line in response.content:
                complete = complete or line.strip() == b"data: [DONE]"
    except (aiohttp.ClientError, ConnectionError):
        complete = False
    return Outcome(marker, complete)


def open_streams(stack: Stack) -> int:
    return int(get_json(f"{stack.simulator_url}/simulator/stats")["open_streams"])


async def kill_under_load(stack: Stack, victim: str) -> list[Outcome]:
    """Kills `victim` while 50 streams are open; returns when all clients are done and all parts are ready."""
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session, asyncio.TaskGroup() as group:
        streams = [group.create_task(stream_once(session, stack, number)) for number in range(STREAMS)]
        await asyncio.to_thread(
            wait_until, lambda: open_streams(stack) >= OPEN_STREAMS, within_s=15, what="50 open streams"
        )
        pid = stack.run["pids"][victim]
        os.kill(pid, signal.SIGKILL)
    await asyncio.to_thread(
        wait_until,
        lambda: stack.run["pids"][victim] != pid and stack.is_ready(),
        within_s=RECOVERY_S,
        what=f"all parts ready after {victim} was killed",
    )
    return [task.result() for task in streams]


def received_by_simulator(stack: Stack, markers: set[str]) -> dict[str, Row]:
    log = get_json(f"{stack.simulator_url}/simulator/requests")
    entries = [entry for entry in log if entry["marker"] in markers]
    doubled = [marker for marker, count in Counter(entry["marker"] for entry in entries).items() if count > 1]
    assert doubled == [], "the gateway called the provider twice for one request"
    return {entry["marker"]: entry for entry in entries}


@pytest.mark.parametrize("victim", ["billing", "rabbitmq", "postgres"])
async def test_the_ledger_is_exact_after_a_sigkill_under_fifty_streams(
    stack: Stack, ledger: Ledger, victim: str
) -> None:
    outcomes = await kill_under_load(stack, victim)
    markers = {outcome.marker for outcome in outcomes}
    received = received_by_simulator(stack, markers)
    assert len(received) >= OPEN_STREAMS
    rows = await ledger.wait_for_rows(
        "SELECT * FROM billing.attempts WHERE agent_run_id = ANY($1)",
        sorted(markers),
        at_least=len(received),
        within_s=RECOVERY_S,
    )
    events = Counter(row["agent_run_id"] for row in rows)
    assert {marker: events[marker] for marker in received} == dict.fromkeys(received, 1)
    assert max(events.values()) == 1

    row_of = {row["agent_run_id"]: row for row in rows}
    for outcome in outcomes:
        row = row_of.get(outcome.marker)
        if outcome.complete:
            assert row is not None
            usage = received[outcome.marker]["usage"]
            assert row["status"] == "settled"
            assert (row["input_tokens"], row["output_tokens"]) == (usage["input_tokens"], usage["output_tokens"])
            assert row["cost_nano_usd"] > 0
        elif row is not None:
            assert row["status"] in ("partial", "failed", "unknown")
        if outcome.marker not in received:
            assert row is None or row["cost_nano_usd"] == 0

    completed = sum(outcome.complete for outcome in outcomes)
    assert completed == STREAMS, f"killing {victim} is no business of a client's"
