"""From the queue into the ledger: once each, whatever is delivered how often."""

import orjson
import pytest
from aio_pika import Message

from gateway_shared.topology import DEAD_LETTER_EXCHANGE, USAGE_ROUTING_KEY
from gateway_shared.usage_event import TokenCounts
from tests.broker import channel_of
from tests.integration.billing.running_billing import (
    RunningBilling,
    attempts_of,
    publish,
    publish_events,
    query,
    rows_when,
)
from tests.servers import Postgres, RabbitMq, wait_until
from tests.unit.billing.usage_events import event_id, usage_event


async def test_an_event_becomes_a_row_with_its_cost(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    event = usage_event(producer=producer, agent_run_id=producer, service_tier="default")
    await publish_events(rabbitmq_server, [event])
    (row,) = await rows_when(
        ledger_database, "SELECT * FROM billing.usage WHERE agent_run_id = $1", producer, enough=bool
    )
    assert row["request_id"] == event.request_id
    assert (row["input_tokens"], row["output_tokens"], row["status"]) == (9, 20, "settled")
    # 9 x 2.50 USD + 20 x 10 USD a million = 0.0002225 USD
    assert (row["cost_nano_usd"], str(row["cost_usd"])) == (222_500, "0.000222500")


async def test_a_redelivery_adds_no_row(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    events = [usage_event(producer=producer, sequence=number) for number in range(1, 51)]
    poison = b'{"schema_version": 1, "producer": "' + producer.encode() + b'"}'
    bodies = [event.to_json() for event in events]
    await publish(rabbitmq_server, [*bodies, poison])
    await publish(rabbitmq_server, [b"\n".join(bodies), poison, *reversed(bodies)])
    await attempts_of(ledger_database, producer, count=50)
    wait_until(lambda: consumed(billing) == 50 + 1 + 50 + 1 + 50, what="everything consumed")
    assert billing.metric('gateway_billing_events_total{result="inserted"}') == 50
    assert billing.metric('gateway_billing_events_total{result="duplicate"}') == 100
    rows = await attempts_of(ledger_database, producer, count=50)
    assert [row["sequence"] for row in rows] == list(range(1, 51))
    ratings = await query(
        ledger_database,
        "billing_reader",
        "SELECT count(*) AS n FROM billing.rating WHERE event_id = ANY($1)",
        [row["event_id"] for row in rows],
    )
    assert ratings[0]["n"] == 2 * 50  # a cost and a charge
    held = await query(
        ledger_database, "billing_reader", "SELECT count(*) AS n FROM billing.quarantine WHERE producer = $1", producer
    )
    assert held[0]["n"] == 1


def consumed(billing: RunningBilling) -> float:
    return sum(
        billing.metric(f'gateway_billing_events_total{{result="{result}"}}')
        for result in ("inserted", "duplicate", "quarantined")
    )


@pytest.mark.parametrize("kind", ["unreadable", "refused by the database"])
async def test_one_poison_among_two_hundred_takes_no_neighbour_with_it(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str, kind: str
) -> None:
    events = [usage_event(producer=producer, sequence=number) for number in range(1, 201)]
    bodies = [event.to_json() for event in events]
    bad = orjson.loads(bodies[120])
    # a status of 2^40 is a number for the contract, and no integer for the column
    bad |= {"status": "odd"} if kind == "unreadable" else {"http_status": 2**40}
    bodies[120] = orjson.dumps(bad)
    await publish(rabbitmq_server, [b"\n".join(bodies[:150]), *bodies[150:]])
    rows = await attempts_of(ledger_database, producer, count=199)
    assert [row["sequence"] for row in rows] == [number for number in range(1, 201) if number != 121]
    (held,) = await rows_when(
        ledger_database, "SELECT * FROM billing.quarantine WHERE producer = $1", producer, enough=bool
    )
    assert (bytes(held["raw"]), held["sequence"], held["tenant_id"]) == (bodies[120], 121, "default")
    (progress,) = await query(
        ledger_database, "router", "SELECT * FROM billing.producer_progress WHERE producer = $1", producer
    )
    assert (progress["contiguous_sequence"], progress["events_held"]) == (200, 200)


async def test_a_dead_letter_is_consumed_too(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    async with channel_of(rabbitmq_server, "billing") as channel:
        dead_letters = await channel.get_exchange(DEAD_LETTER_EXCHANGE, ensure=False)
        await dead_letters.publish(Message(usage_event(producer=producer).to_json()), USAGE_ROUTING_KEY)
    await attempts_of(ledger_database, producer, count=1)


async def test_what_the_gateway_lost_costs_nothing_and_an_unknown_model_stays_unpriced(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    lost = usage_event(
        producer=producer,
        sequence=1,
        status="unknown",
        finish_state="gateway_lost",
        usage_source="unknown",
        tokens=TokenCounts(),
        model_served=None,
        model_upstream="never-heard-of",
    )
    unpriced = usage_event(
        producer=producer, sequence=2, model_served="never-heard-of", model_upstream="never-heard-of"
    )
    await publish_events(rabbitmq_server, [lost, unpriced])
    first, second = await attempts_of(ledger_database, producer, count=2)
    assert (first["cost_nano_usd"], first["price_version"]) == (0, None)
    assert first["cost_reason"] == "0: no usage is known"
    assert (second["cost_nano_usd"], second["cost_usd"]) == (None, None)
    wait_until(lambda: billing.metric("gateway_billing_unpriced_events_total") == 1, what="the metric")


async def test_an_id_of_a_time_without_a_partition_is_kept_in_the_default_one(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    year_2049_ms = 2_500_000_000_000
    await publish_events(rabbitmq_server, [usage_event(event_id=event_id(unix_ms=year_2049_ms), producer=producer)])
    await attempts_of(ledger_database, producer, count=1)
    rows = await query(
        ledger_database, "operator", "SELECT producer FROM billing.event_default WHERE producer = $1", producer
    )
    assert len(rows) == 1


@pytest.mark.parametrize(
    "odd",
    [
        {"started_at": "1970-01-01T00:00:00.000000+00:00"},
        {"started_at": "9999-12-31T23:59:59.000000+00:00"},
        {"duration_us": 2**62},
    ],
    ids=["the epoch", "the end of the calendar", "a duration beyond it"],
)
async def test_an_event_of_an_absurd_time_is_quarantined_and_neither_lost_nor_missing(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str, odd: dict[str, object]
) -> None:
    events = [usage_event(producer=producer, sequence=number) for number in (1, 3)]
    absurd = usage_event(producer=producer, sequence=2, **odd).to_json()
    await publish(rabbitmq_server, [b"\n".join([events[0].to_json(), absurd, events[1].to_json()])])
    rows = await attempts_of(ledger_database, producer, count=2)
    assert [row["sequence"] for row in rows] == [1, 3]
    (held,) = await rows_when(
        ledger_database, "SELECT * FROM billing.quarantine_open WHERE producer = $1", producer, enough=bool
    )
    assert (bytes(held["raw"]), held["sequence"], held["tenant_id"]) == (absurd, 2, "default")
    (account,) = await query(
        ledger_database, "billing_reader", "SELECT * FROM billing.completeness WHERE producer = $1", producer
    )
    assert (account["produced"], account["in_ledger"], account["quarantined"], account["missing"]) == (3, 2, 1, 0)


async def test_there_is_one_line_a_batch_and_no_event_in_it(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    await publish_events(rabbitmq_server, [usage_event(producer=producer, end_user="secret-end-user")])
    await attempts_of(ledger_database, producer, count=1)
    wait_until(lambda: any(line["message"] == "batch recorded" for line in billing.log_lines()), what="the line")
    (batch,) = [line for line in billing.log_lines() if line["message"] == "batch recorded"]
    assert (batch["messages"], batch["inserted"], batch["duplicate"], batch["quarantined"]) == (1, 1, 0, 0)
    assert batch["service"] == "billing"
    assert "secret-end-user" not in str(billing.log_lines())


async def test_sigterm_ends_it_with_zero(billing: RunningBilling) -> None:
    assert billing.stop() == 0
    assert billing.log_lines()[-1]["message"] == "stopped"
