"""Every settled event reaches the ledger's queue at least once, whatever happens to the broker."""

import asyncio
import os
import time
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from gateway_router.metering import Metering
from gateway_router.publisher import LINGER_S
from gateway_shared.ids import uuid7
from tests.integration.router_journal.conftest import OpenMetering, until
from tests.integration.router_journal.ledger_queue import LedgerQueue
from tests.servers import RabbitMq
from tests.unit.router_journal.events import intent, settled


def new_id() -> str:
    return str(uuid7(unix_ms=time.time_ns() // 1_000_000, random_bytes=os.urandom(10)))


async def call(metering: Metering) -> str:
    """One call to a provider, settled; its event id."""
    event_id = new_id()
    metering.journal.intent(intent(event_id))
    await metering.journal.settle(lambda producer, sequence: settled(event_id, producer, sequence))
    return event_id


async def calls(metering: Metering, count: int) -> set[str]:
    return set(await asyncio.gather(*(call(metering) for _ in range(count))))


def usage(metering: Metering) -> dict[str, object]:
    facts = metering.facts()["usage"]
    assert isinstance(facts, dict)
    return facts


def metric(name: str, **labels: str) -> float:
    """`gateway_usage_<name>` of this process, in which the router's metering runs."""
    return REGISTRY.get_sample_value(f"gateway_usage_{name}", labels) or 0.0


def is_connected(metering: Metering) -> bool:
    return usage(metering)["broker"] == "connected"


def is_published(metering: Metering) -> bool:
    return usage(metering)["unpublished_events"] == 0


async def test_settled_events_arrive_once_in_order_when_all_is_well(
    open_router: OpenMetering, ledger_queue: LedgerQueue
) -> None:
    async with open_router() as metering:
        ids = await calls(metering, 2000)
        events = await ledger_queue.take_events(ids)
        assert [event["sequence"] for event in events] == list(range(1, 2001))
        await until(lambda: is_published(metering), what="everything published")


async def test_a_lone_event_reaches_the_queue_within_50_ms(
    open_router: OpenMetering, ledger_queue: LedgerQueue
) -> None:
    async with open_router() as metering:
        await until(lambda: is_connected(metering), what="a connection")
        delays_s = []
        for _ in range(20):
            await asyncio.sleep(LINGER_S)  # alone is who comes so long after the one before
            event_id = await call(metering)
            settled_at_s = time.monotonic()
            await until(lambda: is_published(metering), what="the confirm")
            delays_s.append(time.monotonic() - settled_at_s)
            await ledger_queue.take({event_id})
        assert sorted(delays_s)[5] < 0.05  # the others are those of a busy machine


async def test_a_live_producer_says_every_few_seconds_how_far_it_has_come(
    open_router: OpenMetering, ledger_queue: LedgerQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_router.journal_upkeep.MARK_EVERY_S", 0.2)
    async with open_router() as metering:
        await calls(metering, 250)
        await until(lambda: is_published(metering), what="everything published")
        while max((mark.sequence for mark in ledger_queue.marks), default=0) < 250:
            await ledger_queue.take_message()
        await calls(metering, 1)
        while max(mark.sequence for mark in ledger_queue.marks) < 251:
            await ledger_queue.take_message()
    assert not any(mark.closed for mark in ledger_queue.marks)


async def test_connections_are_renewed_under_load_and_every_event_arrives_once(
    open_router: OpenMetering, ledger_queue: LedgerQueue, rabbitmq_server: RabbitMq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_shared.broker.RENEW_AFTER_S", 1.0)
    async with open_router() as metering:
        ids: set[str] = set()
        connections: set[str] = set()
        async with asyncio.timeout(60):
            while len(connections) < 4:
                ids |= await calls(metering, 50)
                connections |= await publishers(rabbitmq_server)
        await until(lambda: is_published(metering), what="everything published")
        assert await ledger_queue.take(ids) == dict.fromkeys(ids, 1), "none was sent again"


async def publishers(server: RabbitMq) -> set[str]:
    """The broker's names of the routers' connections that are there now."""
    listed = await asyncio.to_thread(server.control, "-q", "list_connections", "pid", "user", "state")
    return {line.split()[0] for line in listed.splitlines() if line.split()[1:] == ["router", "running"]}


async def test_a_broker_killed_with_events_in_flight_loses_none(
    open_router: OpenMetering, ledger_queue: LedgerQueue, rabbitmq_server: RabbitMq
) -> None:
    await asyncio.to_thread(rabbitmq_server.sync)
    async with open_router() as metering:
        ids = await calls(metering, 500)
        kill = asyncio.create_task(asyncio.to_thread(rabbitmq_server.kill))
        while not kill.done():
            ids |= await calls(metering, 100)
        await until(lambda: not is_connected(metering), what="the connection lost")
        ids |= await calls(metering, 500)
        assert usage(metering)["unpublished_events"]
        assert [await check() for check in metering.checks.values()] == [None], "the router stays ready"
        rabbitmq_server.start()  # in this thread: the server ends with the thread that started it
        arrived = await ledger_queue.take(ids)
        assert set(arrived) == ids
        await until(lambda: is_published(metering), what="everything published")


@pytest.mark.parametrize("damage", ["delete", "unbind"])
async def test_events_stay_in_the_journal_while_the_queue_is_missing(
    open_router: OpenMetering, ledger_queue: LedgerQueue, damage: str
) -> None:
    async with open_router() as metering:
        first = await calls(metering, 10)
        await ledger_queue.take(first)
        await until(lambda: is_published(metering), what="the first events published")
        await (ledger_queue.delete() if damage == "delete" else ledger_queue.unbind())
        second = await calls(metering, 300)
        await until(lambda: not is_connected(metering), what="a publish that failed")
        assert usage(metering)["unpublished_events"] == 300
        assert metric("publishes_total", result="unroutable") > 0
        assert (metric("broker_connected"), metric("unaccounted_events")) == (0, 0)
        await ledger_queue.declare()
        assert set(await ledger_queue.take(second)) == second
        await until(lambda: is_published(metering), what="everything published")
        assert (metric("broker_connected"), metric("unaccounted_events")) == (1, 0)


async def test_a_record_damaged_before_it_was_published_is_told_as_an_event_unaccounted_for(
    open_router: OpenMetering, ledger_queue: LedgerQueue
) -> None:
    await ledger_queue.delete()
    async with open_router() as metering:
        ids = await calls(metering, 10)
        damaged = damage_first_settled(ids, metering.journal.folder.path)
        assert metric("unaccounted_events") == 0
        await ledger_queue.declare()
        assert set(await ledger_queue.take(ids - {damaged})) == ids - {damaged}
        await until(lambda: is_published(metering), what="all that can be read published")
        assert metric("unaccounted_events") == 1


def damage_first_settled(event_ids: set[str], journal: Path) -> str:
    """Which one's last record is damaged: one bit of it, in a file that is being read and appended to."""
    (segment,) = journal.glob("*.journal")
    content = segment.read_bytes()
    event_id = min(event_ids, key=lambda one: content.rindex(one.encode()))
    at = content.rindex(event_id.encode())
    with segment.open("r+b") as file:
        file.seek(at)
        file.write(bytes([content[at] ^ 1]))
    return event_id


async def test_a_broker_that_hangs_is_given_up_after_five_seconds_and_the_journal_holds(
    open_router: OpenMetering, ledger_queue: LedgerQueue, rabbitmq_server: RabbitMq
) -> None:
    async with open_router() as metering:
        await until(lambda: is_connected(metering), what="a connection")
        rabbitmq_server.pause()
        try:
            started_s = time.monotonic()
            ids = await calls(metering, 300)
            answered_s = time.monotonic() - started_s
            await until(lambda: not is_connected(metering), what="the publish given up", timeout_s=15)
            given_up_s = time.monotonic() - started_s
        finally:
            rabbitmq_server.resume()
        assert answered_s < 1.0, "calls do not wait for the broker"
        assert 4.5 < given_up_s < 7.5
        assert set(await ledger_queue.take(ids)) == ids


async def test_what_a_process_left_behind_is_published_by_the_next(
    open_router: OpenMetering, ledger_queue: LedgerQueue, rabbitmq_server: RabbitMq, tmp_path: Path
) -> None:
    await ledger_queue.delete()
    async with open_router() as metering:
        ids = await calls(metering, 300)
        cut_off = new_id()
        metering.journal.intent(intent(cut_off))
        producer = metering.journal.producer
    await ledger_queue.declare()
    async with open_router() as metering:
        ids |= await calls(metering, 5)
        events = await ledger_queue.take_events({*ids, cut_off})
        await until(lambda: usage(metering)["adopted_journals"] == 0, what="the old journal finished")
    left = [event for event in events if event["producer"] == producer]
    assert [event["sequence"] for event in left] == list(range(1, 302))
    mark = await ledger_queue.take_closing_mark(producer)
    assert (mark.sequence, mark.closed) == (301, True)
    assert [event["status"] for event in left if event["event_id"] == cut_off] == ["unknown"]


async def test_a_clean_end_leaves_nothing_to_publish(open_router: OpenMetering, ledger_queue: LedgerQueue) -> None:
    async with open_router() as metering:
        ids = await calls(metering, 300)
        producer = metering.journal.producer
    async with open_router() as metering:
        assert set(await ledger_queue.take(ids)) == ids
        mark = await ledger_queue.take_closing_mark(producer)
        assert (mark.sequence, mark.closed) == (300, True)
        ids = await calls(metering, 1)
        assert await ledger_queue.take(ids) == dict.fromkeys(ids, 1)
