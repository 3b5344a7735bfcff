"""How fast the ledger takes events from the queue: `make bench-billing`.

A private broker and a private Postgres as `make start` sets them up (TLS, synchronous commit and fsync on), one
billing process. First a backlog, published while billing is down, with one message in a hundred twice; then a
trickle, for the time from an event's end to the row that a reader sees.
"""

import argparse
import asyncio
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
from aio_pika import DeliveryMode, Message
from gateway_local.progress import tell

from bench.ledger_events import Producer
from bench.processes import cpu_s, tree
from gateway_router.price_export import export_prices
from gateway_shared.postgres import connect
from gateway_shared.topology import USAGE_EXCHANGE, USAGE_ROUTING_KEY
from tests.broker import channel_of
from tests.integration.billing.running_billing import (
    RunningBilling,
    environment,
    publish,
    query,
    run_command,
)
from tests.servers import Certificates, Postgres, RabbitMq, private_folder, remove, wait_until

EVENTS_A_MESSAGE = 100
TRICKLE_MESSAGE = 2
LOOK_INTERVAL_S = 0.02
ASK_INTERVAL_S = 0.5
"""Each question costs the consumer some milliseconds."""
INSERTED = 'gateway_billing_events_total{result="inserted"}'
DUPLICATE = 'gateway_billing_events_total{result="duplicate"}'
PRICES = Path(__file__).parents[1] / "deploy" / "prices"
COUNT = """
SELECT count(*) AS rows, count(DISTINCT sequence) AS sequences,
    (SELECT count(*) FROM billing.rating AS r JOIN billing.event AS e USING (event_id) WHERE e.producer = $1) AS ratings
FROM billing.event WHERE producer = $1
"""


@dataclass(frozen=True, slots=True)
class Stack:
    postgres: Postgres
    rabbitmq: RabbitMq
    billing: RunningBilling

    def cpu(self) -> dict[str, float]:
        roots = {"billing": self.billing.pid, "postgres": self.postgres.pid, "rabbitmq": self.rabbitmq.pid}
        return {name: cpu_s(tree([pid])) for name, pid in roots.items()}


@contextmanager
def stack() -> Iterator[Stack]:
    """Everything up, prices loaded, the queues declared, billing down."""
    folder = private_folder()
    certificates = Certificates.issue(folder / "certificates")
    postgres = Postgres(folder / "postgres", certificates, settings={})
    rabbitmq = RabbitMq(folder / "rabbitmq", certificates)
    billing = RunningBilling(
        environment(certificates, postgres, "billing") | {"AMQP_URL": rabbitmq.url}, folder / "billing.log"
    )
    try:
        postgres.start()
        rabbitmq.start()
        _command(environment(certificates, postgres, "operator"), "migrate")
        export_prices(folder / "litellm.json")
        as_billing = environment(certificates, postgres, "billing")
        _command(as_billing, "import-prices", f"{folder}/litellm.json", f"{PRICES}/overrides.json")
        _command(as_billing, "import-tariffs", f"{PRICES}/tariffs.json")
        billing.start()
        billing.wait_ready()
        billing.stop()
        yield Stack(postgres, rabbitmq, billing)
    finally:
        if billing.is_running:
            billing.kill()
        rabbitmq.stop()
        postgres.stop()
        remove(folder)


def _command(env: dict[str, str], *arguments: str) -> None:
    done = run_command(env, *arguments)
    if done.returncode:
        raise SystemExit(f"{arguments[0]} failed: {done.stderr}")


async def drain(on: Stack, events: int) -> str:
    """A backlog into the ledger: the rate, the CPU of each part, and whether every event is there once."""
    producer = f"bench/{uuid4().hex}"
    bodies = Producer(producer, random.Random(1)).messages(events, size=EVENTS_A_MESSAGE)
    again = bodies[::EVENTS_A_MESSAGE]
    await publish(on.rabbitmq, bodies + again)
    published = events + sum(body.count(b"\n") + 1 for body in again)
    tell(f"{events:,} events published, {published - events:,} of them twice")
    began_s = time.monotonic()
    on.billing.start()
    wait_until(lambda: on.billing.metric(INSERTED) > 0, what="the first event inserted")
    first_s, before, already = time.monotonic(), on.cpu(), consumed(on)
    wait_until(lambda: consumed(on) >= published, what="everything consumed", timeout_s=600, every_s=ASK_INTERVAL_S)
    seconds, after, measured = time.monotonic() - first_s, on.cpu(), published - already
    (row,) = await query(on.postgres, "billing_reader", COUNT, producer)
    each_us = {name: (after[name] - before[name]) / measured * 1e6 for name in after}
    busiest, total = max(each_us.values()), sum(each_us.values())
    cores = os.cpu_count() or 1
    quiet = 1e6 / max(busiest, total / cores)
    parts = " | ".join(f"{used / 10:.2f}" for used in each_us.values())
    return "\n".join(
        [
            "| events/s | start to drained, s | CPU s per 100,000 events: billing | Postgres | RabbitMQ | "
            f"events/s at full speed of {cores} cores |",
            "| --- | --- | --- | --- | --- | --- |",
            f"| {measured / seconds:,.0f} | {time.monotonic() - began_s:.1f} | {parts} | {quiet:,.0f} |",
            "",
            f"published {published:,}, inserted {on.billing.metric(INSERTED):,.0f}, "
            f"duplicates {on.billing.metric(DUPLICATE):,.0f}, rows {row['rows']:,}, ratings {row['ratings']:,}, "
            f"missing {events - row['sequences']:,}",
        ]
    )


def consumed(on: Stack) -> float:
    """One question, since each costs billing 8 ms: all its metrics are written down for it."""
    lines = on.billing.get("/metrics")[1].splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((INSERTED, DUPLICATE)))


async def trickle(on: Stack, *, events_per_s: int, seconds: float) -> str:
    """From an event's end to the row that a reader sees, by one who looks all the time."""
    producer = f"bench/{uuid4().hex}"
    lines = Producer(producer, random.Random(2)).lines()
    ended_s: list[float] = []
    seen_s: list[float] = []
    async with channel_of(on.rabbitmq, "router") as channel, _reader(on) as reader:
        exchange = await channel.get_exchange(USAGE_EXCHANGE, ensure=False)

        async def send(count: int) -> None:
            begun_s = time.monotonic()
            while len(ended_s) < count:
                await asyncio.sleep(begun_s + len(ended_s) / events_per_s - time.monotonic())
                body = b"\n".join(next(lines) for _ in range(TRICKLE_MESSAGE))
                ended_s.extend([time.monotonic()] * TRICKLE_MESSAGE)
                message = Message(body, delivery_mode=DeliveryMode.PERSISTENT)
                await exchange.publish(message, USAGE_ROUTING_KEY, mandatory=True)

        async def look(count: int) -> None:
            while len(seen_s) < count:
                await asyncio.sleep(LOOK_INTERVAL_S)
                held = await reader.fetchval("SELECT count(*) FROM billing.event WHERE producer = $1", producer)
                seen_s.extend([time.monotonic()] * (held - len(seen_s)))

        async with asyncio.TaskGroup() as tasks:
            count = round(seconds * events_per_s)
            tasks.create_task(send(count))
            tasks.create_task(look(count))
    delays_s = sorted(seen - ended for ended, seen in zip(ended_s, seen_s, strict=False))
    p50, p99 = (delays_s[int(len(delays_s) * share)] for share in (0.5, 0.99))
    return f"{events_per_s} events/s for {seconds:g} s: from an event's end to its row p50 {p50:.2f} s, p99 {p99:.2f} s"


@asynccontextmanager
async def _reader(on: Stack) -> AsyncIterator[asyncpg.Connection]:
    files = on.postgres.tls_files("billing_reader")
    connection = await connect(on.postgres.dsn("billing_reader"), files, application_name="bench")
    try:
        yield connection
    finally:
        await connection.close()


async def measure(on: Stack, *, events: int, events_per_s: int, seconds: float) -> str:
    return f"{await drain(on, events)}\n{await trickle(on, events_per_s=events_per_s, seconds=seconds)}\n"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.billing_rate", description=__doc__)
    parser.add_argument("--events", type=int, default=120_000, help="of the backlog (%(default)s)")
    parser.add_argument("--events-per-s", type=int, default=100, help="of the trickle (%(default)s)")
    parser.add_argument("--seconds", type=float, default=15, help="of the trickle (%(default)s)")
    options = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    with stack() as on:
        report = asyncio.run(
            measure(on, events=options.events, events_per_s=options.events_per_s, seconds=options.seconds)
        )
    sys.stdout.write(f"\nload average {load:.1f} before the run\n\n{report}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
