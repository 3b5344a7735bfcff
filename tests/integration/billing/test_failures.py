"""What the service depends on fails and comes back: nothing lost, nothing twice, no hand needed."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gateway_billing import queues
from gateway_shared import postgres
from gateway_shared.topology import LEDGER_QUEUE, USAGE_EXCHANGE, USAGE_ROUTING_KEY
from tests.broker import channel_of
from tests.integration.billing.running_billing import (
    RunningBilling,
    attempts_of,
    publish_events,
    rows_when,
)
from tests.servers import Postgres, RabbitMq, wait_until
from tests.unit.billing.usage_events import usage_event

DECLARED_AGAIN_WITHIN_S = 3 * 10.0
SUBSCRIPTION_GIVEN_UP_WITHIN_S = 3 * 5.0
HEALTH_WITHIN_S = 3 * 2.0
STOPPED_WITHIN_S = 3 * 5.0
"""Three times the stated bounds, on a machine that does much else."""


async def test_postgres_killed_under_load_and_started_again_every_row_is_there_once(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    events = [usage_event(producer=producer, sequence=number) for number in range(1, 2001)]
    await publish_events(rabbitmq_server, events[:1000])
    ledger_database.kill()
    try:
        await publish_events(rabbitmq_server, events[1000:])
        wait_until(lambda: billing.metric('gateway_billing_pauses_total{reason="database"}') >= 1, what="a pause")
        assert billing.get("/ready")[0] == 503
        assert billing.is_running
    finally:
        ledger_database.start()
    rows = await attempts_of(ledger_database, producer, count=2000)
    assert [row["sequence"] for row in rows] == list(range(1, 2001))
    assert all(row["cost_nano_usd"] == 222_500 for row in rows)
    billing.wait_ready()


async def test_while_postgres_hangs_the_subscription_is_given_up_and_messages_go_back_once(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    await publish_events(rabbitmq_server, [usage_event(producer=producer, sequence=1)])
    await attempts_of(ledger_database, producer, count=1)
    with hanging(ledger_database):
        await publish_events(rabbitmq_server, [usage_event(producer=producer, sequence=2)])
        begun_s = time.monotonic()
        wait_until(lambda: billing.metric("gateway_billing_queue_connected") == 0, what="the subscription given up")
        assert time.monotonic() - begun_s < SUBSCRIPTION_GIVEN_UP_WITHIN_S
        begun_s = time.monotonic()
        status, report = billing.get("/health")
        assert (status, "no answer" in report) == (200, True)
        assert time.monotonic() - begun_s < HEALTH_WITHIN_S
    await attempts_of(ledger_database, producer, count=2)
    assert billing.metric('gateway_billing_pauses_total{reason="database"}') >= 1


@contextmanager
def hanging(database: Postgres) -> Iterator[None]:
    """Postgres and every process of it that serves a connection stand still; what was written stays unread."""
    children = Path(f"/proc/{database.pid}/task/{database.pid}/children").read_text().split()
    pids = [database.pid, *map(int, children)]
    for pid in pids:
        signal_if_there(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            signal_if_there(pid, signal.SIGCONT)


def signal_if_there(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # a connection's process may end between listing and signal
        os.kill(pid, number)


async def test_a_locked_table_delays_the_batch_and_loses_nothing(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    owner = await postgres.connect(
        ledger_database.dsn("operator"), ledger_database.tls_files("operator"), application_name="test"
    )
    try:
        async with owner.transaction():
            await owner.execute("LOCK TABLE billing.rating IN ACCESS EXCLUSIVE MODE")
            await publish_events(rabbitmq_server, [usage_event(producer=producer)])
            wait_until(lambda: billing.metric('gateway_billing_pauses_total{reason="database"}') >= 1, what="a pause")
    finally:
        await owner.close()
    await attempts_of(ledger_database, producer, count=1)


async def test_a_deleted_queue_is_declared_and_consumed_again(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    async with channel_of(rabbitmq_server, "billing") as channel:
        await channel.queue_delete(LEDGER_QUEUE)
    await publish_when_routable(rabbitmq_server, producer)
    await attempts_of(ledger_database, producer, count=1)
    wait_until(lambda: billing.get("/ready")[0] == 200, what="ready again")


async def test_a_queue_of_other_arguments_is_consumed_and_a_metric_tells_until_it_is_ours(
    stopped_billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    mismatch = "gateway_billing_topology_mismatch"
    async with channel_of(rabbitmq_server, "billing") as channel:
        await queues.declare(channel, timeout_s=DECLARED_AGAIN_WITHIN_S)
        await channel.queue_delete(LEDGER_QUEUE)
        other = await channel.declare_queue(LEDGER_QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        await other.bind(USAGE_EXCHANGE, USAGE_ROUTING_KEY)
    stopped_billing.start()
    stopped_billing.wait_ready()
    assert stopped_billing.metric(mismatch) == 1
    await publish_events(rabbitmq_server, [usage_event(producer=producer)])
    await attempts_of(ledger_database, producer, count=1)
    async with channel_of(rabbitmq_server, "billing") as channel:
        await channel.queue_delete(LEDGER_QUEUE)
    wait_until(lambda: stopped_billing.metric(mismatch) == 0, what="a queue of ours", timeout_s=DECLARED_AGAIN_WITHIN_S)
    await publish_when_routable(rabbitmq_server, producer, sequence=2)
    await attempts_of(ledger_database, producer, count=2)


async def test_a_lost_binding_and_a_lost_exchange_are_made_again(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    async with channel_of(rabbitmq_server, "billing") as channel:
        queue = await channel.get_queue(LEDGER_QUEUE, ensure=False)
        await queue.unbind(USAGE_EXCHANGE, USAGE_ROUTING_KEY)
    await publish_when_routable(rabbitmq_server, producer)
    async with channel_of(rabbitmq_server, "billing") as channel:
        await channel.exchange_delete(USAGE_EXCHANGE)
    await publish_when_routable(rabbitmq_server, producer, sequence=2)
    await attempts_of(ledger_database, producer, count=2)


async def publish_when_routable(server: RabbitMq, producer: str, *, sequence: int = 1) -> None:
    """The router's part: it holds the event and tries again until the broker takes it."""
    event = usage_event(producer=producer, sequence=sequence)
    async with asyncio.timeout(DECLARED_AGAIN_WITHIN_S):
        while True:
            try:
                return await publish_events(server, [event])
            except Exception:
                await asyncio.sleep(0.1)


async def test_the_broker_killed_and_started_again(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    events = [usage_event(producer=producer, sequence=number) for number in range(1, 501)]
    await publish_events(rabbitmq_server, events)
    rabbitmq_server.sync()
    rabbitmq_server.kill()
    try:
        wait_until(lambda: billing.get("/ready")[0] == 503, what="not ready")
    finally:
        rabbitmq_server.start()
    await attempts_of(ledger_database, producer, count=500)
    await publish_when_routable(rabbitmq_server, producer, sequence=501)
    rows = await attempts_of(ledger_database, producer, count=501)
    assert [row["sequence"] for row in rows] == list(range(1, 502))


@pytest.mark.long  # three heartbeats
async def test_a_broker_that_hangs_is_left_and_found_again(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    rabbitmq_server.pause()
    try:
        wait_until(lambda: billing.get("/ready")[0] == 503, what="not ready", timeout_s=40)
    finally:
        rabbitmq_server.resume()
    wait_until(lambda: billing.get("/ready")[0] == 200, what="ready again", timeout_s=40)
    await publish_events(rabbitmq_server, [usage_event(producer=producer)])
    await attempts_of(ledger_database, producer, count=1)


async def test_the_service_killed_again_and_again_while_it_consumes_adds_no_row_twice(
    stopped_billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    stopped_billing.start()
    stopped_billing.wait_ready()
    events = [usage_event(producer=producer, sequence=number) for number in range(1, 3001)]
    publishing = asyncio.create_task(publish_events(rabbitmq_server, events))
    for kill in range(3):
        await rows_when(
            ledger_database,
            "SELECT count(*) AS n FROM billing.event WHERE producer = $1",
            producer,
            enough=lambda rows, kill=kill: rows[0]["n"] > kill * 300,  # type: ignore[misc]
        )
        stopped_billing.kill()
        stopped_billing.start()
    await publishing
    rows = await attempts_of(ledger_database, producer, count=3000)
    assert [row["sequence"] for row in rows] == list(range(1, 3001))


async def test_sigterm_under_load_finishes_what_is_in_hand_and_ends_with_zero(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    await publish_events(
        rabbitmq_server, [usage_event(producer=producer, sequence=number) for number in range(1, 2001)]
    )
    begun_s = time.monotonic()
    assert billing.stop() == 0
    assert time.monotonic() - begun_s < STOPPED_WITHIN_S
    billing.start()
    rows = await attempts_of(ledger_database, producer, count=2000)
    assert len(rows) == 2000


async def test_a_delivery_that_the_broker_times_out_closes_the_channel_and_is_taken_again(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    """`consumer_timeout`: the broker closes the channel with 406 when an acknowledgement takes too long."""
    await asyncio.to_thread(
        rabbitmq_server.control,
        "eval",
        "application:set_env(rabbit, consumer_timeout, 1000), application:set_env(rabbit, channel_tick_interval, 500).",
    )
    try:
        # a new channel, which knows the new limits
        async with channel_of(rabbitmq_server, "billing") as channel:
            await channel.queue_delete(LEDGER_QUEUE)
        wait_until(lambda: billing.get("/ready")[0] == 200, what="subscribed again")
        await publish_when_routable(rabbitmq_server, producer)
        await attempts_of(ledger_database, producer, count=1)
        billing.pause()
        try:
            await publish_events(rabbitmq_server, [usage_event(producer=producer, sequence=2)])
            await asyncio.to_thread(
                wait_until,
                lambda: "delivery acknowledgement" in rabbitmq_server.log.read_text(),
                what="the broker's patience ended",
            )
        finally:
            billing.resume()
    finally:
        await asyncio.to_thread(
            rabbitmq_server.control, "eval", "application:set_env(rabbit, consumer_timeout, 1800000)."
        )
    rows = await attempts_of(ledger_database, producer, count=2)
    assert [row["sequence"] for row in rows] == [1, 2]
