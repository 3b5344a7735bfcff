"""Half an hour of mixed streams: memory, descriptors and the way to the ledger stay as they were.

SOAK_MINUTES sets the length; SOAK_OUTPUT names a folder for `soak.svg` and `soak.csv`.
"""

import asyncio
import os
import random
import statistics
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson
import pytest

from bench.processes import memory_bytes, private_bytes, tree
from tests.acceptance.ledger import Ledger
from tests.acceptance.metrics_text import total
from tests.acceptance.soak_plot import soak_svg
from tests.acceptance.stack import Stack, get_json, get_text

CLIENTS = 12
SAMPLE_S = 5.0
SERVICES = ("edge", "router", "billing")
MODELS = ("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash", "Llama-3.3-70B-Instruct")
DOORS = (("/v1/langchain/chat/completions", "langchain_key"), ("/v1/chat/completions", "standard_key"))
GROWTH_MB_PER_MINUTE = 0.5
"""Of private memory, in the second half: what a leak of 1 KB a request would be here. What clients that left in
mid-stream leave in cycles is collected after some hundreds of them, so that memory goes up and down by some MB.
"""
WARM_S = 600.0
"""In a shorter run all of it is warming up."""
PAUSE_S = 2.0
"""Each key may send 600 requests a minute: 12 clients that rest 2 s on average stay below."""


@dataclass
class Soak:
    """What was sent and seen, and one row of figures per sample."""

    ends: Counter[str] = field(default_factory=Counter)
    minutes: list[float] = field(default_factory=list)
    figures: dict[str, list[float]] = field(default_factory=dict)

    def note(self, title: str, value: float) -> None:
        self.figures.setdefault(title, []).append(value)


async def one_request(session: aiohttp.ClientSession, stack: Stack, run_id: str, chance: random.Random) -> str:
    """How it ended: complete, left (by the client), or the status of a refusal."""
    path, key = chance.choice(DOORS)
    stream = chance.random() < 0.7
    leaves = stream and chance.random() < 0.1
    directive = f"words={chance.randrange(5, 60)} delay_ms={chance.randrange(0, 30)}"
    body = {
        "model": chance.choice(MODELS),
        "stream": stream,
        "messages": [{"role": "user", "content": f"{'word ' * chance.randrange(5, 500)} [[sim {directive}]]"}],
    }
    headers = {"Authorization": f"Bearer {stack.run[key]}", "X-Agent-Run-Id": run_id}
    async with session.post(f"{stack.edge_url}{path}", data=orjson.dumps(body), headers=headers) as answer:
        if answer.status != 200:
            return str(answer.status)
        if leaves:
            await answer.content.readany()
            answer.close()
            return "left"
        text = await answer.read()
    if stream:
        return "complete" if text.endswith(b"data: [DONE]\n\n") else "cut"
    return "complete"


async def client(stack: Stack, run_id: str, soak: Soak, until_s: float, seed: int) -> None:
    chance = random.Random(seed)
    async with aiohttp.ClientSession(headers={"Content-Type": "application/json"}) as session:
        while time.monotonic() < until_s:
            soak.ends[await one_request(session, stack, run_id, chance)] += 1
            await asyncio.sleep(chance.uniform(0, PAUSE_S))  # a client's think time, not a wait for anything


async def sample(stack: Stack, soak: Soak, since_s: float, until_s: float) -> None:
    while time.monotonic() < until_s:
        soak.minutes.append((time.monotonic() - since_s) / 60)
        for service in SERVICES:
            pids = tree([stack.run["pids"][service]])
            soak.note(f"{service}: memory in MB", memory_bytes(pids) / 1e6)
            soak.note(f"{service}: private memory in MB", private_bytes(pids) / 1e6)
            soak.note(f"{service}: descriptors", sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids))  # noqa: PTH208
        metrics = await asyncio.to_thread(get_text, f"{stack.run['ops_urls']['router']}/metrics")
        soak.note("unpublished events", total(metrics, "gateway_usage_unpublished_events"))
        await asyncio.sleep(SAMPLE_S)


@pytest.mark.long
async def test_memory_descriptors_and_lag_stay_flat(stack: Stack, ledger: Ledger) -> None:
    length_s = float(os.environ.get("SOAK_MINUTES", "30")) * 60
    run_id, soak = f"soak-{uuid.uuid4()}", Soak()
    since_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for seed in range(CLIENTS):
            group.create_task(client(stack, run_id, soak, since_s + length_s, seed))
        group.create_task(sample(stack, soak, since_s, since_s + length_s))
    write(soak)

    assert set(soak.ends) == {"complete", "left"}, soak.ends
    rows = await ledger.wait_for_rows(
        "SELECT status, finish_state FROM billing.attempts WHERE agent_run_id = $1",
        run_id,
        at_least=sum(soak.ends.values()),
        within_s=30,
    )
    assert len(rows) == sum(soak.ends.values())
    assert get_json(f"{stack.simulator_url}/simulator/stats")["open_streams"] == 0
    for title, values in soak.figures.items():
        early, late = quarter(values, 1), quarter(values, 3)
        allowed = early * 1.1 + 10 if "memory" in title else early + 20
        assert late <= allowed, f"{title}: {early:.0f} in the second quarter, {late:.0f} in the last"
        if "private" in title and length_s >= WARM_S:
            slope = growth_per_minute(soak.minutes, values)
            assert slope < GROWTH_MB_PER_MINUTE, f"{title}: {slope:.2f} more each minute"


def quarter(values: Sequence[float], number: int) -> float:
    """The median of one quarter of the time, counted from 0; the first is left to warm up."""
    size = len(values) // 4
    return statistics.median(values[number * size : (number + 1) * size])


def growth_per_minute(minutes: Sequence[float], values: Sequence[float]) -> float:
    """The slope of the line that fits the second half best."""
    half = len(values) // 2
    return statistics.linear_regression(minutes[half:], values[half:]).slope


def write(soak: Soak) -> None:
    if output := os.environ.get("SOAK_OUTPUT"):
        Path(output, "soak.svg").write_text(soak_svg(soak.minutes, soak.figures))
        lines = [",".join(["minutes", *soak.figures])]
        lines += [
            ",".join(f"{value:.2f}" for value in row) for row in zip(soak.minutes, *soak.figures.values(), strict=True)
        ]
        Path(output, "soak.csv").write_text("\n".join(lines) + "\n")
