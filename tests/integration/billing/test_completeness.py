"""Whether anything is missing: by the view, and by `reconcile` from the events themselves."""

from datetime import UTC, datetime

import asyncpg
import pytest

from gateway_shared.producer_mark import ProducerMark
from tests.integration.billing.running_billing import (
    RunningBilling,
    attempts_of,
    environment,
    publish,
    query,
    rows_when,
    run_command,
)
from tests.servers import Certificates, Postgres, RabbitMq, wait_until
from tests.unit.billing.usage_events import usage_event


@pytest.fixture
def env(certificates: Certificates, ledger_database: Postgres) -> dict[str, str]:
    return environment(certificates, ledger_database, "billing")


async def publish_numbers(server: RabbitMq, producer: str, numbers: range, *, ended: int, closed: bool = False) -> None:
    """Those events of a producer that says it has ended so many."""
    mark = ProducerMark(producer=producer, sequence=ended, closed=closed, marked_at=datetime.now(UTC))
    lines = [usage_event(producer=producer, sequence=number).to_json() for number in numbers]
    await publish(server, [b"\n".join([*lines, mark.to_json()])])


async def completeness_when(database: Postgres, producer: str, *, produced: int) -> asyncpg.Record:
    (row,) = await rows_when(
        database,
        "SELECT * FROM billing.completeness WHERE producer = $1",
        producer,
        enough=lambda rows: bool(rows) and rows[0]["produced"] == produced,
    )
    return row


async def delete_row(database: Postgres, producer: str, sequence: int) -> None:
    """By hand, as the owner."""
    await query(
        database, "operator", "DELETE FROM billing.event WHERE producer = $1 AND sequence = $2", producer, sequence
    )


@pytest.mark.usefixtures("tidy_ledger")
async def test_a_row_deleted_by_hand_is_named_by_the_view_and_by_reconcile_until_it_is_back(
    env: dict[str, str], billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    await publish_numbers(rabbitmq_server, producer, range(1, 21), ended=20, closed=True)
    row = await completeness_when(ledger_database, producer, produced=20)
    assert (row["in_ledger"], row["missing"], row["missing_ranges"], row["closed"]) == (20, 0, None, True)
    await query(ledger_database, "billing", "SELECT billing.advance_checkpoints()")
    done = run_command(env, "reconcile", "--producer", producer)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{producer}: produced 20, in the ledger 20, missing 0\n1 producers: 0 missing, 0 twice" in done.stdout

    (kept,) = await query(
        ledger_database, "operator", "SELECT * FROM billing.event WHERE producer = $1 AND sequence = 17", producer
    )
    await delete_row(ledger_database, producer, 17)
    row = await completeness_when(ledger_database, producer, produced=20)
    assert (row["in_ledger"], row["missing"], row["missing_ranges"]) == (19, 1, "17")
    done = run_command(env, "reconcile", "--producer", producer)
    assert (done.returncode, f"{producer}: produced 20, in the ledger 19, missing 1: 17\n" in done.stdout) == (1, True)

    back = usage_event(producer=producer, sequence=17, event_id=str(kept["event_id"]))
    await publish(rabbitmq_server, [back.to_json()])
    await attempts_of(ledger_database, producer, count=20)
    row = await completeness_when(ledger_database, producer, produced=20)
    assert (row["in_ledger"], row["missing"]) == (20, 0)
    assert run_command(env, "reconcile", "--producer", producer).returncode == 0


async def test_the_tail_that_never_arrived_is_missing_by_the_producer_s_own_word(
    env: dict[str, str], billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    await publish_numbers(rabbitmq_server, producer, range(1, 4), ended=7)
    row = await completeness_when(ledger_database, producer, produced=7)
    assert (row["in_ledger"], row["missing"], row["missing_ranges"], row["closed"]) == (3, 4, "4-7", False)
    missing = await query(
        ledger_database, "billing_reader", "SELECT * FROM billing.missing_sequences WHERE producer = $1", producer
    )
    assert [tuple(row)[1:] for row in missing] == [(4, 7, 4)]
    done = run_command(env, "reconcile", "--producer", producer)
    assert (done.returncode, "missing 4: 4-7 (open)" in done.stdout) == (1, True)


async def test_what_is_missing_and_what_is_in_quarantine_is_counted_in_the_metrics(
    stopped_billing: RunningBilling, ledger_database: Postgres, producer: str
) -> None:
    await query(
        ledger_database,
        "billing",
        "INSERT INTO billing.producer (producer, sequence, closed, marked_at) VALUES ($1, 1000, true, now())",
        producer,
    )
    await query(
        ledger_database,
        "billing",
        "INSERT INTO billing.quarantine (raw_sha256, raw, error) VALUES ($1, '', 'a test')",
        producer,
    )
    stopped_billing.start()
    wait_until(lambda: stopped_billing.metric("gateway_billing_missing") >= 1000, what="what is missing counted")
    assert stopped_billing.metric("gateway_billing_quarantine_open") >= 1


async def test_nothing_of_a_producer_arrived_but_its_mark(
    env: dict[str, str], billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    await publish_numbers(rabbitmq_server, producer, range(0), ended=3)
    row = await completeness_when(ledger_database, producer, produced=3)
    assert (row["in_ledger"], row["missing"], row["missing_ranges"]) == (0, 3, "1-3")


async def test_gaps_before_and_behind_an_old_mark_are_all_found(
    env: dict[str, str], billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    await publish_numbers(rabbitmq_server, producer, range(2, 10, 3), ended=6)  # 2, 5, 8
    row = await completeness_when(ledger_database, producer, produced=8)
    assert (row["in_ledger"], row["missing"], row["missing_ranges"]) == (3, 5, "1, 3-4, 6-7")
    assert "missing 5: 1, 3-4, 6-7" in run_command(env, "reconcile", "--producer", producer).stdout


async def test_what_retention_dropped_is_not_missing_and_reconcile_says_so(
    env: dict[str, str], billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    await publish_numbers(rabbitmq_server, producer, range(5, 11), ended=10, closed=True)
    await completeness_when(ledger_database, producer, produced=10)
    await query(
        ledger_database,
        "operator",
        "INSERT INTO billing.dropped_range (producer, first_sequence, last_sequence, month)"
        " VALUES ($1, 1, 3, '2020-01-01')",
        producer,
    )
    row = await completeness_when(ledger_database, producer, produced=10)
    assert (row["missing"], row["missing_ranges"]) == (1, "4")
    done = run_command(env, "reconcile", "--producer", producer)
    assert "produced 10, in the ledger 6, dropped 3, missing 1: 4" in done.stdout


async def test_reconcile_trusts_no_checkpoint(
    env: dict[str, str], billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    """A row that vanished without a trigger's notice: the view believes its checkpoint, `reconcile` does not."""
    await publish_numbers(rabbitmq_server, producer, range(1, 6), ended=5, closed=True)
    await completeness_when(ledger_database, producer, produced=5)
    await query(ledger_database, "billing", "SELECT billing.advance_checkpoints()")
    await delete_row(ledger_database, producer, 2)
    await query(
        ledger_database, "operator", "UPDATE billing.producer_checkpoint SET sequence = 5 WHERE producer = $1", producer
    )
    done = run_command(env, "reconcile", "--producer", producer)
    assert (done.returncode, "missing 1: 2\n" in done.stdout) == (1, True)


async def test_a_number_that_is_there_twice_fails_reconcile(
    env: dict[str, str], billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    await publish_numbers(rabbitmq_server, producer, range(1, 3), ended=2)
    await publish_numbers(rabbitmq_server, producer, range(2, 3), ended=2)  # the same number as another event
    await attempts_of(ledger_database, producer, count=3)
    done = run_command(env, "reconcile", "--producer", producer)
    assert (done.returncode, "doubled 1" in done.stdout) == (1, True)
