"""What was lost behind the broker's confirm comes back without an operator: real broker, real ledger, real billing."""

from pathlib import Path

import pytest

from tests.integration.billing.running_billing import RunningBilling, query, rows_when
from tests.integration.router_journal.conftest import OpenMetering, metering_of, until
from tests.integration.router_journal.ledger_queue import LedgerQueue
from tests.integration.router_journal.test_publishing import calls, is_published, metric
from tests.servers import Certificates, Postgres, RabbitMq

LOSSES = "SELECT FROM billing.completeness WHERE producer = $1 AND missing > 0"


@pytest.fixture
def open_router(
    tmp_path: Path,
    rabbitmq_server: RabbitMq,
    postgres_server: Postgres,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
) -> OpenMetering:
    """Always on the same journal folder, and looking five times a second."""
    monkeypatch.setattr("gateway_router.journal_upkeep.REPAIR_EVERY_S", 0.2)
    return metering_of(tmp_path, rabbitmq_server, certificates, postgres_dsn=postgres_server.dsn("router"))


async def recorded(database: Postgres, producer: str, events: int) -> set[str]:
    """The ids of a producer's rows, once they are so many."""
    rows = await rows_when(
        database,
        "SELECT event_id::text FROM billing.attempts WHERE producer = $1",
        producer,
        enough=lambda rows: len(rows) >= events,
    )
    assert len(rows) == events
    return {row["event_id"] for row in rows}


async def test_events_that_went_with_a_deleted_queue_come_back(
    open_router: OpenMetering, ledger_queue: LedgerQueue, postgres_server: Postgres, billing: RunningBilling
) -> None:
    before = metric("published_again_events_total")
    async with open_router() as metering:
        lost = await calls(metering, 150)
        await until(lambda: is_published(metering), what="everything published")
        await ledger_queue.delete()
        await ledger_queue.declare()
        later = await calls(metering, 30)
        billing.start()
        assert await recorded(postgres_server, metering.journal.producer, 180) == lost | later
        assert metric("published_again_events_total") - before >= 150
        await rows_when(postgres_server, LOSSES, metering.journal.producer, enough=lambda rows: not rows)


async def test_a_dead_producer_s_last_events_and_its_last_mark_come_back_too(
    open_router: OpenMetering, ledger_queue: LedgerQueue, postgres_server: Postgres, billing: RunningBilling
) -> None:
    """Nothing that would tell of them follows: the ledger has never heard of this producer."""
    async with open_router() as metering:
        lost = await calls(metering, 40)
        ended = metering.journal.producer
    await ledger_queue.purge()
    billing.start()
    async with open_router():
        assert await recorded(postgres_server, ended, 40) == lost
        (row,) = await rows_when(
            postgres_server,
            "SELECT * FROM billing.completeness WHERE producer = $1",
            ended,
            enough=lambda rows: rows[0]["closed"],
        )
        assert (row["produced"], row["missing"]) == (40, 0)


async def test_rows_that_the_database_lost_come_back(
    open_router: OpenMetering, ledger_queue: LedgerQueue, postgres_server: Postgres, billing: RunningBilling
) -> None:
    billing.start()
    async with open_router() as metering:
        ids = await calls(metering, 60)
        producer = metering.journal.producer
        assert await recorded(postgres_server, producer, 60) == ids
        sql = "DELETE FROM billing.event WHERE producer = $1 AND sequence BETWEEN 7 AND 56"
        await query(postgres_server, "operator", sql, producer)
        assert await recorded(postgres_server, producer, 60) == ids


async def test_while_billing_is_away_only_marks_are_sent(open_router: OpenMetering, ledger_queue: LedgerQueue) -> None:
    """What waits in the queue is late, not lost."""
    async with open_router() as metering:
        ids = await calls(metering, 50)
        assert len(await ledger_queue.take_events(ids)) == 50
        ledger_queue.marks.clear()
        while len([mark for mark in ledger_queue.marks if mark.sequence == 50 and not mark.closed]) < 3:
            assert await ledger_queue.take_message() == []
