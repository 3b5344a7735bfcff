"""From a client's answer to its row, through the whole stack: `python -m bench.answer_to_row`.

A stack as `make start` sets it up (TLS, fsync and synchronous commit on), with the simulator as its provider. Clients
begin short requests at a steady rate, half of them for streams, and note when their answers end; a reader asks the
ledger all the time for the rows of those. The exit code is 1 when an answer or a row is missing, or the goal is missed.
"""

import argparse
import asyncio
import os
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from gateway_shared.ids import uuid7
from tests.acceptance.stack import running_stack
from tests.acceptance.traffic import Ask, Outcome, Traffic, ordinary, traffic
from tests.servers import private_folder, remove

GOAL_P99_S = 2.0
"""RELIABILITY, I6: at 100 requests a second."""

WARM_UP_S = 5.0
LOOK_INTERVAL_S = 0.02
ROWS_WITHIN_S = 60.0
LONGEST_RUN_MS = 3_600_000
GENEROUS = {"REQUESTS_PER_MINUTE": "600000", "CONCURRENT_REQUESTS": "1000"}
ROWS = """
SELECT DISTINCT agent_run_id FROM billing.attempts
WHERE event_id BETWEEN $1 AND $2 AND agent_run_id = ANY($3)
"""
"""The bounds spare Postgres the other months' partitions, and the run a part of its CPU."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """What traffic asks of a stack, read once."""

    edge_url: str
    run: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Freshness:
    """Of the answers that ended after the warm-up. `delays_s`, in order: from an answer's end to its row."""

    seconds: float
    asked: int
    answered: int
    others: Mapping[int, int]
    """How many had no whole answer, by status; 0 is none."""
    delays_s: Sequence[float]

    def at(self, share: float) -> float:
        """That percentile, 0.99 for the 99th."""
        return self.delays_s[int(len(self.delays_s) * share)]

    @property
    def reaches_goal(self) -> bool:
        return 0 < self.asked == self.answered == len(self.delays_s) and self.at(0.99) <= GOAL_P99_S

    def __str__(self) -> str:
        counts = f"{self.asked:,} requests, {self.answered:,} answered, {len(self.delays_s):,} rows"
        if self.others:
            counts += f" ({', '.join(f'{count:,} of status {status}' for status, count in self.others.items())})"
        if not self.delays_s:
            return counts
        return (
            f"{counts} in {self.seconds:.0f} s ({self.answered / self.seconds:.1f} answers/s): from an answer's end to "
            f"its row p50 {self.at(0.5):.2f} s, p99 {self.at(0.99):.2f} s, at most {self.delays_s[-1]:.2f} s"
        )


def freshness(outcomes: Sequence[Outcome], rows_s: Mapping[str, float], *, since_s: float) -> Freshness:
    """`rows_s`: when a request's row was seen; what ended before `since_s` does not count. Monotonic seconds."""
    counted = [outcome for outcome in outcomes if outcome.ended_s >= since_s]
    answered = [outcome for outcome in counted if outcome.complete]
    return Freshness(
        seconds=max((outcome.ended_s for outcome in counted), default=since_s) - since_s,
        asked=len(counted),
        answered=len(answered),
        others=Counter(outcome.status for outcome in counted if not outcome.complete),
        delays_s=sorted(rows_s[each.marker] - each.ended_s for each in answered if each.marker in rows_s),
    )


def short(chance: random.Random) -> Ask:
    """A few words: simulator and clients are in Python, on the same cores as what is measured."""
    return replace(ordinary(chance), directive=f"words={chance.randrange(3, 12)}")


async def measure(gateway: Gateway, *, per_s: float, seconds: float) -> Freshness:
    rows_s: dict[str, float] = {}
    over = asyncio.Event()
    async with _reader(gateway) as reader:
        since_s = time.monotonic() + WARM_UP_S
        async with traffic(gateway, per_s=per_s, draw=short) as seen:
            looking = asyncio.create_task(_look(reader, seen, rows_s, over))
            await asyncio.sleep(WARM_UP_S + seconds)
        over.set()
        ended, _ = await asyncio.wait({looking}, timeout=ROWS_WITHIN_S)
        for task in ended:
            task.result()
        looking.cancel()
    return freshness(seen.outcomes, rows_s, since_s=since_s)


async def _look(reader: asyncpg.Connection, seen: Traffic, rows_s: dict[str, float], over: asyncio.Event) -> None:
    """Notes when the rows of those that have ended are there, until all are and it is `over`."""
    now_ms = time.time_ns() // 1_000_000
    ids = [uuid7(unix_ms=ms, random_bytes=bytes(10)) for ms in (now_ms, now_ms + LONGEST_RUN_MS)]
    while not over.is_set() or len(rows_s) < len(seen.outcomes):
        missing = [outcome.marker for outcome in seen.outcomes if outcome.marker not in rows_s]
        found = await reader.fetch(ROWS, *ids, missing)
        rows_s.update(dict.fromkeys((row["agent_run_id"] for row in found), time.monotonic()))
        await asyncio.sleep(LOOK_INTERVAL_S)


@asynccontextmanager
async def _reader(gateway: Gateway) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(gateway.run["postgres_dsn"], timeout=10)
    try:
        yield connection
    finally:
        await connection.close()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.answer_to_row", description=__doc__)
    parser.add_argument("--per-s", type=float, default=100.0, help="requests that begin a second (%(default)s)")
    parser.add_argument("--seconds", type=float, default=40.0, help="behind a warm-up of 5 s (%(default)s)")
    options = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    folder = private_folder()
    try:
        with running_stack(folder, GENEROUS) as stack:
            gateway = Gateway(stack.edge_url, stack.run)
            told = asyncio.run(measure(gateway, per_s=options.per_s, seconds=options.seconds))
    finally:
        remove(folder)
    verdict = "reached" if told.reaches_goal else "MISSED"
    sys.stdout.write(
        f"\nload average {load:.1f} before the run\n\n{options.per_s:g} requests/s: {told}\n"
        f"goal: each answered and recorded, p99 at most {GOAL_P99_S:g} s: {verdict}\n"
    )
    return 0 if told.reaches_goal else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
