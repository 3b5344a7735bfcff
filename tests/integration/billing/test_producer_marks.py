"""What producers say of themselves reaches the ledger with their events, and never goes backwards."""

from datetime import UTC, datetime, timedelta

import asyncpg

from gateway_shared.producer_mark import ProducerMark
from tests.integration.billing.running_billing import RunningBilling, publish, query, rows_when
from tests.servers import Postgres, RabbitMq
from tests.unit.billing.usage_events import usage_event

AT = datetime(2026, 11, 23, 20, tzinfo=UTC)
MARKS = "SELECT producer, sequence, closed, marked_at FROM billing.producer WHERE producer = $1"


def mark(producer: str, sequence: int, *, closed: bool = False) -> ProducerMark:
    return ProducerMark(producer=producer, sequence=sequence, closed=closed, marked_at=AT + timedelta(seconds=sequence))


async def mark_when(database: Postgres, producer: str, sequence: int) -> asyncpg.Record:
    (row,) = await rows_when(
        database, MARKS, producer, enough=lambda rows: bool(rows) and rows[0]["sequence"] == sequence
    )
    return row


async def test_a_mark_says_what_is_missing_at_the_end(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    events = [usage_event(producer=producer, sequence=number).to_json() for number in (1, 2, 3)]
    await publish(rabbitmq_server, [b"\n".join([*events, mark(producer, 5).to_json()])])
    row = await mark_when(ledger_database, producer, 5)
    assert (row["closed"], row["marked_at"]) == (False, AT + timedelta(seconds=5))
    (progress,) = await query(
        ledger_database, "router", "SELECT * FROM billing.producer_progress WHERE producer = $1", producer
    )
    assert (progress["contiguous_sequence"], progress["events_held"]) == (3, 3)


async def test_marks_that_come_late_and_again_take_nothing_back(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    await publish(rabbitmq_server, [mark(producer, 9).to_json()])
    await mark_when(ledger_database, producer, 9)
    late = [mark(producer, 4), mark(producer, 8, closed=True), mark(producer, 9)]
    await publish(rabbitmq_server, [one.to_json() for one in late])
    (row,) = await rows_when(
        ledger_database, MARKS, producer, enough=lambda rows: bool(rows) and bool(rows[0]["closed"])
    )
    assert (row["sequence"], row["marked_at"]) == (9, AT + timedelta(seconds=9))


async def test_a_mark_behind_an_event_that_the_database_refuses_is_recorded_all_the_same(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    good = [usage_event(producer=producer, sequence=number).to_json() for number in (1, 2)]
    refused = usage_event(producer=producer, sequence=3, http_status=2**40).to_json()
    await publish(rabbitmq_server, [b"\n".join([*good, refused, mark(producer, 3, closed=True).to_json()])])
    await mark_when(ledger_database, producer, 3)
    (progress,) = await query(
        ledger_database, "router", "SELECT * FROM billing.producer_progress WHERE producer = $1", producer
    )
    assert progress["contiguous_sequence"] == 3


async def test_a_mark_of_a_version_unknown_here_is_quarantined_whole(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    raw = mark(producer, 1).to_json().replace(b'"producer_mark":1', b'"producer_mark":2')
    await publish(rabbitmq_server, [raw])
    (held,) = await rows_when(
        ledger_database, "SELECT raw, sequence FROM billing.quarantine WHERE producer = $1", producer, enough=bool
    )
    assert (bytes(held["raw"]), held["sequence"]) == (raw, None)
    assert await query(ledger_database, "billing_reader", MARKS, producer) == []
