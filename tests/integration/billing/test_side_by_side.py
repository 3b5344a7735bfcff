"""Four consumers on one queue: every event once, whoever gets it, and none waits for another for ever."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_shared.producer_mark import ProducerMark
from tests.integration.billing.running_billing import RunningBilling, environment, publish, query, rows_when
from tests.integration.billing.test_producer_marks import mark
from tests.servers import Certificates, Postgres, RabbitMq, wait_until
from tests.unit.billing.usage_events import usage_event

CONSUMERS = 4
EVENTS = 4000
DELIVERIES = 3
RESULTS = ("inserted", "duplicate", "quarantined")


@pytest.fixture
def consumers(
    ledger_database: Postgres, rabbitmq_server: RabbitMq, certificates: Certificates, tmp_path: Path
) -> Iterator[list[RunningBilling]]:
    """All of them ready."""
    env = environment(certificates, ledger_database, "billing") | {"AMQP_URL": rabbitmq_server.url}
    running = [RunningBilling(env, tmp_path / f"billing-{number}.log") for number in range(CONSUMERS)]
    for one in running:
        one.start()
    for one in running:
        one.wait_ready()
    yield running
    for one in running:
        if one.is_running:
            one.kill()


def shuffled_bodies(producer: str) -> list[bytes]:
    """Each event in three messages, beside others each time, at times twice in one; with marks."""
    chance = random.Random(7)
    lines = [usage_event(producer=producer, sequence=number).to_json() for number in range(1, EVENTS + 1)]
    bodies = []
    for _ in range(DELIVERIES):
        chance.shuffle(lines)
        for start in range(0, EVENTS, 40):
            part = [*lines[start : start + 40], lines[start]]
            bodies.append(b"\n".join([*part, mark_line(producer, start), mark_line(f"{producer}-b", EVENTS - start)]))
    chance.shuffle(bodies)
    return bodies


def mark_line(producer: str, sequence: int) -> bytes:
    made: ProducerMark = mark(producer, sequence)
    return made.to_json()


async def test_four_consumers_take_one_queue_without_a_deadlock(
    consumers: list[RunningBilling], rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    bodies = shuffled_bodies(producer)
    deadlocks = ledger_database.log.read_text().count("deadlock detected")
    await publish(rabbitmq_server, bodies)
    delivered = sum(body.count(b"usage_source") for body in bodies)
    wait_until(lambda: sum(map(consumed, consumers)) >= delivered, what="everything consumed", timeout_s=120)
    (row,) = await rows_when(
        ledger_database,
        "SELECT count(*) AS rows, count(DISTINCT sequence) AS sequences FROM billing.event WHERE producer = $1",
        producer,
        enough=bool,
    )
    assert (row["rows"], row["sequences"]) == (EVENTS, EVENTS)
    ratings = await query(
        ledger_database,
        "billing_reader",
        "SELECT count(*) AS n FROM billing.rating JOIN billing.event USING (event_id) WHERE producer = $1",
        producer,
    )
    assert ratings[0]["n"] == 2 * EVENTS
    assert sum(map(consumed, consumers)) == delivered
    assert sum(one.metric('gateway_billing_events_total{result="inserted"}') for one in consumers) == EVENTS
    assert all(consumed(one) > 0 for one in consumers)
    marks = await query(
        ledger_database,
        "billing_reader",
        "SELECT sequence FROM billing.producer WHERE producer LIKE $1",
        f"{producer}%",
    )
    assert sorted(row["sequence"] for row in marks) == [EVENTS - 40, EVENTS]
    assert ledger_database.log.read_text().count("deadlock detected") == deadlocks


def consumed(billing: RunningBilling) -> float:
    """RELIABILITY, I5: inserted + duplicate + quarantined."""
    return sum(billing.metric(f'gateway_billing_events_total{{result="{result}"}}') for result in RESULTS)
