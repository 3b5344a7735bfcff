"""A router that is SIGKILLed again and again in the middle of fifty streams (RELIABILITY: F8)."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.acceptance.beside import Process, children_of, edge_with_routers
from tests.acceptance.ledger import Ledger
from tests.acceptance.stack import Stack, wait_until
from tests.acceptance.streams import StreamClient, finished, held, opened, provider_log, rows_of

OPEN = 50
ENDING = 10
"""Streams that come to their end about when the router is killed."""
LONG = "words=5 hold_after=4 delay_ms=800"
"""Long enough for a checkpoint: what is known of it is a partial event."""
RECORDED_WITHIN_S = 30.0
"""Of the restart."""


@pytest.fixture
def gateway(stack: Stack) -> Iterator[tuple[Process, Process]]:
    generous = {"REQUESTS_PER_MINUTE": "6000000", "CONCURRENT_REQUESTS": "1000"}
    with edge_with_routers(stack, 1, **generous) as (edge, (router,)):
        yield edge, router


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.long)])
async def test_a_router_killed_in_fifty_streams_leaves_one_event_for_each(
    stack: Stack, ledger: Ledger, gateway: tuple[Process, Process], kills: int
) -> None:
    edge, router = gateway
    before = await ledger.event_count()
    asked = 0
    statuses = Counter[str]()
    slowest_s = 0.0
    for number in range(kills):
        cut = await opened(stack, edge.port, OPEN, LONG if number == 0 else "words=5 hold_after=2")
        await held(stack, OPEN)
        ending = await opened(stack, edge.port, ENDING, f"words={1 + number % 5} delay_ms=3")
        killed_s = time.monotonic()
        await asyncio.to_thread(kill, router, whole=number % 4 == 0)
        await finished([*cut, *ending])
        rows = await rows_of(ledger, cut, within_s=RECORDED_WITHIN_S)
        slowest_s = max(slowest_s, time.monotonic() - killed_s)
        assert {row["status"] for row in rows.values()} <= {"partial", "unknown"}
        assert Counter(client.error_code for client in cut) == {"router_unavailable": OPEN}
        assert not any(client.is_complete for client in cut)
        statuses.update(row["status"] for row in rows.values())
        statuses.update(await statuses_of(stack, ledger, ending))
        asked += len(await provider_log(stack, [*cut, *ending]))
    after = await ledger.event_count()
    print(
        f"{kills} kills: {kills * (OPEN + ENDING)} clients, {asked} calls at the provider, {before} events before and "
        f"{after} after, {dict(statuses)}; all of them at the latest {slowest_s:.1f} s after their kill"
    )
    assert after - before == asked == statuses.total()
    assert statuses["partial"] >= OPEN


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


async def statuses_of(stack: Stack, ledger: Ledger, ending: list[StreamClient]) -> list[str]:
    """Of streams that ended, or did not, when the router was killed; what was answered is settled."""
    entries = await provider_log(stack, ending)
    begun = [client for client in ending if client.run_id in entries]
    rows = await rows_of(ledger, begun, within_s=RECORDED_WITHIN_S)
    for client in ending:
        if client.is_complete:
            row, usage = rows[client.run_id], entries[client.run_id]["usage"]
            assert row["status"] == "settled"
            assert (row["input_tokens"], row["output_tokens"]) == (usage["input_tokens"], usage["output_tokens"])
    return [row["status"] for row in rows.values()]
