"""A router that is SIGKILLed again and again in the middle of fifty streams (RELIABILITY: F8)."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.acceptance.beside import Process, children_of, edge_with_routers
from tests.acceptance.ledger import Ledger, Row
from tests.acceptance.stack import Stack, wait_until
from tests.acceptance.streams import StreamClient, finished, held, opened, provider_log, rows_of

OPEN = 50
ENDING = 10
"""Streams that come to their end about when the router is killed."""
LONG = "words=5 hold_after=4 delay_ms=800"
"""Long enough for a checkpoint: what is known of it is a partial event."""
RECORDED_WITHIN_S = 30.0
"""Of the kill, the router's start and fifty more streams included: the bound is of the restart."""


@pytest.fixture
def gateway(stack: Stack) -> Iterator[tuple[Process, Process]]:
    generous = {"REQUESTS_PER_MINUTE": "6000000", "CONCURRENT_REQUESTS": "1000"}
    with edge_with_routers(stack, 1, **generous) as (edge, (router,)):
        yield edge, router


@dataclass
class Kill:
    """`cut` were held in mid-stream, `ending` came to their end about then; `s_until_recorded` is of all `cut`."""

    cut: list[StreamClient]
    ending: list[StreamClient]
    killed_s: float = field(default_factory=time.monotonic)
    rows: dict[str, Row] = field(default_factory=dict)
    s_until_recorded: float = 0.0

    async def record(self, ledger: Ledger) -> None:
        self.rows = await rows_of(ledger, self.cut, within_s=RECORDED_WITHIN_S)
        self.s_until_recorded = time.monotonic() - self.killed_s


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.long)])
async def test_a_router_killed_in_fifty_streams_leaves_one_event_for_each(
    stack: Stack, ledger: Ledger, gateway: tuple[Process, Process], kills: int
) -> None:
    edge, router = gateway
    print(f"{await ledger.event_count()} events before")
    done: list[Kill] = []
    for number in range(kills):
        cut = await opened(stack, edge.port, OPEN, LONG if number == 0 else "words=5 hold_after=2")
        await held(stack, OPEN)
        if done:  # a router that lives for less than a second may publish nothing: the next one will
            await done[-1].record(ledger)
        ending = await opened(stack, edge.port, ENDING, f"words={1 + number % 5} delay_ms=3")
        done.append(Kill(cut, ending))
        await asyncio.to_thread(kill, router, whole=number % 4 == 0)
        await finished([*cut, *ending])
    await done[-1].record(ledger)
    cut = [client for each in done for client in each.cut]
    ending = [client for each in done for client in each.ending]
    asked = await provider_log(stack, [*cut, *ending])
    ended = await rows_of(ledger, [client for client in ending if client.run_id in asked], within_s=RECORDED_WITHIN_S)
    rows = ended | {run_id: row for each in done for run_id, row in each.rows.items()}
    statuses = Counter(row["status"] for row in rows.values())
    print(
        f"{kills} kills: {len(cut) + len(ending)} clients, {len(asked)} calls at the provider, {len(rows)} events, "
        f"{dict(statuses)}; those in mid-stream at the latest "
        f"{max(each.s_until_recorded for each in done):.1f} s after their kill"
    )
    assert max(each.s_until_recorded for each in done) < RECORDED_WITHIN_S
    of_all = await rows_of(ledger, [*cut, *ending], within_s=RECORDED_WITHIN_S, at_least=len(asked))
    assert of_all.keys() == asked.keys() == rows.keys()
    assert {rows[client.run_id]["status"] for client in cut} <= {"partial", "unknown"}
    assert statuses["partial"] >= OPEN
    assert Counter(client.error_code for client in cut) == {"router_unavailable": len(cut)}
    assert not any(client.is_complete for client in cut)
    for client in ending:
        if client.is_complete:  # what was answered is settled, at the provider's word
            row, usage = rows[client.run_id], asked[client.run_id]["usage"]
            assert row["status"] == "settled"
            assert (row["input_tokens"], row["output_tokens"]) == (usage["input_tokens"], usage["output_tokens"])


def kill(router: Process, *, whole: bool) -> None:
    """The service with its workers, or its worker alone, which the supervisor replaces."""
    if whole:
        router.kill()
        router.start()
        router.wait_until_ready()
        return
    (worker,) = children_of(router.pid)
    os.kill(worker, signal.SIGKILL)
    wait_until(
        lambda: worker not in children_of(router.pid) and router.is_ready(), within_s=30, what="another worker is ready"
    )
