"""The journal's disk full (RELIABILITY: F12), and the database's (F13). Takes root, for the small file systems."""

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.acceptance.audit import audit
from tests.acceptance.broker_view import delivery_counts, wait_for_consumers
from tests.acceptance.ledger import Ledger
from tests.acceptance.metrics_text import total
from tests.acceptance.owned_stack import OwnedStack
from tests.acceptance.price_list import PriceList
from tests.acceptance.small_disk import SmallDisk, small_disk
from tests.acceptance.stack import get_text
from tests.acceptance.streams import StreamClient, finished, held, opened, provider_log, release, rows_of
from tests.acceptance.traffic import traffic

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system takes root")

STREAMS = 50
NEW_CALLS = 20
RESERVE_BYTES = 1024 * 1024
JOURNAL_MIB = 8
DATABASE_MIB = 64
ROWS_WITHIN_S = 30.0
TAKES_CALLS_WITHIN_S = 15.0
GIVEN_UP_WITHIN_S = 3 * 5.0
"""Three times the stated bound."""


@pytest.fixture(scope="module")
def journal_disk(owned: OwnedStack) -> Iterator[SmallDisk]:
    """The router's, with a small reserve."""
    owned.router.stop()
    with small_disk(owned.home.journal, JOURNAL_MIB) as disk:
        owned.settings["router"]["JOURNAL_RESERVE_BYTES"] = str(RESERVE_BYTES)
        owned.router.start()
        yield disk
        owned.router.stop()
    del owned.settings["router"]["JOURNAL_RESERVE_BYTES"]
    owned.router.start()


async def test_without_room_new_calls_are_refused_and_those_in_flight_are_recorded(
    owned: OwnedStack, owned_ledger: Ledger, journal_disk: SmallDisk
) -> None:
    before = await owned_ledger.event_count()
    streams = await opened(owned, owned.ports.edge, STREAMS, "words=5 hold_after=2")
    await held(owned, STREAMS)
    journal_disk.fill()
    refused = await opened_once_refused(owned)
    await release(owned)
    await finished(streams)
    journal_disk.free()
    again = await asked_until_taken(owned)
    rows = await rows_of(owned_ledger, [*streams, again], within_s=ROWS_WITHIN_S)
    asked = await provider_log(owned, [*streams, *refused, again])
    after = await owned_ledger.event_count()
    print(
        f"{len(streams) + len(refused) + 1} clients, {len(refused)} refused; {len(asked)} calls at the provider; "
        f"{before} events before, {after} after"
    )
    assert {client.status for client in refused} == {503}
    assert all(b'"code":"journal_unavailable"' in client.received for client in refused)
    assert all(b"\r\nretry-after: " in client.received.lower() for client in refused)
    assert not any(client.run_id in asked for client in refused)
    assert all(stream.is_complete and stream.error_code is None for stream in streams)
    assert Counter(row["status"] for row in rows.values()) == {"settled": STREAMS + 1}


async def test_when_the_reserve_is_gone_too_nothing_is_answered_that_is_not_recorded(
    owned: OwnedStack, owned_ledger: Ledger, journal_disk: SmallDisk
) -> None:
    streams = await opened(owned, owned.ports.edge, STREAMS, "words=5 hold_after=2")
    await held(owned, STREAMS)
    with kept_full(journal_disk):
        await opened_once_refused(owned)
        await release(owned)
        await finished(streams)
        answered = [stream for stream in streams if stream.is_complete]
    again = await asked_until_taken(owned)
    rows = await rows_of(owned_ledger, [*streams, again], within_s=ROWS_WITHIN_S)
    told = Counter(stream.error_code for stream in streams)
    print(f"{STREAMS} clients, {len(answered)} answered, the others told {dict(told)}; {len(rows)} events")
    assert told["journal_unavailable"] == STREAMS - len(answered) > 0
    assert {rows[stream.run_id]["status"] for stream in answered} <= {"settled"}
    assert len(rows) == STREAMS + 1


async def opened_once_refused(owned: OwnedStack) -> list[StreamClient]:
    """New calls, from when the router has found that there is no room."""
    async with asyncio.timeout(TAKES_CALLS_WITHIN_S):
        while (await opened(owned, owned.ports.edge, 1, "words=1"))[0].status == 200:
            continue
    return await opened(owned, owned.ports.edge, NEW_CALLS, "words=1")


async def asked_until_taken(owned: OwnedStack) -> StreamClient:
    async with asyncio.timeout(TAKES_CALLS_WITHIN_S):
        while True:
            (client,) = await opened(owned, owned.ports.edge, 1, "words=1")
            await client.finish()
            if client.status == 200:
                return client


@contextmanager
def kept_full(disk: SmallDisk) -> Iterator[None]:
    """What is given back is taken at once."""
    over = threading.Event()

    def fill() -> None:
        while not over.is_set():
            disk.fill()

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        disk.free()


@pytest.fixture
def database_disk(owned: OwnedStack) -> Iterator[SmallDisk]:
    owned.postgres.stop()
    with small_disk(owned.home.folder / "postgres" / "data", DATABASE_MIB) as disk:
        owned.postgres.start()
        yield disk
        owned.postgres.stop()
    owned.postgres.start()


@pytest.mark.parametrize("full_s", [6.0, pytest.param(120.0, marks=pytest.mark.long)])
async def test_a_full_database_delays_the_ledger_and_loses_nothing(
    owned: OwnedStack, owned_ledger: Ledger, prices: PriceList, database_disk: SmallDisk, full_s: float
) -> None:
    before = await owned_ledger.event_count()
    async with traffic(owned) as seen:
        await seen.until_answered(20)
        pauses_before = pauses_of(owned)
        database_disk.fill()
        full_since_s = time.monotonic()
        await wait_for_consumers(owned.rabbitmq, 0, within_s=GIVEN_UP_WITHIN_S)
        given_up_s = time.monotonic() - full_since_s
        await asyncio.sleep(full_since_s + full_s - time.monotonic())
        waiting = await delivery_counts(owned.rabbitmq)
        pauses = pauses_of(owned) - pauses_before
        meanwhile = await owned_ledger.event_count()
        told = len(seen.outcomes)
        database_disk.free()
    print(
        f"{before} events before; full for {time.monotonic() - full_since_s:.0f} s, {meanwhile} then, {told} answers; "
        f"given up after {given_up_s:.1f} s, {pauses:.0f} times in all; {len(waiting)} messages waited, "
        f"the most given back {max(waiting)} times"
    )
    found = await audit(owned_ledger, owned.simulator_url, seen.outcomes, prices)
    assert found.is_exact
    assert found.answered == found.asked
    assert meanwhile - before < told, "the database was not full enough to delay anything"
    # it can still be read: what it did not take is tried again, and not fetched again
    assert max(waiting) == 1
    assert pauses > 1


def pauses_of(owned: OwnedStack) -> float:
    """How often billing has given its subscription up for the database."""
    return total(get_text(f"{owned.ops_url('billing')}/metrics"), "gateway_billing_pauses_total", reason="database")
