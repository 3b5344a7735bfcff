"""The router's metering against a real broker; billing's part is played with billing's certificate."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from gateway_router.metering import Metering, open_metering
from tests.integration.billing.running_billing import RunningBilling, environment, run_command
from tests.integration.router_journal.ledger_queue import LedgerQueue
from tests.servers import Certificates, Postgres, RabbitMq

OpenMetering = Callable[[], AbstractAsyncContextManager[Metering]]


@pytest.fixture
async def ledger_queue(rabbitmq_server: RabbitMq) -> AsyncIterator[LedgerQueue]:
    """Declared and empty."""
    queue = LedgerQueue(rabbitmq_server)
    await queue.declare()
    await queue.purge()
    yield queue
    await queue.declare()
    await queue.purge()


@pytest.fixture
def open_router(tmp_path: Path, rabbitmq_server: RabbitMq, certificates: Certificates) -> OpenMetering:
    """Opens metering as a router process does, always on the same journal folder; the database is away."""
    return metering_of(tmp_path, rabbitmq_server, certificates, postgres_dsn="postgresql://router@localhost:1/gateway")


def metering_of(
    folder: Path, rabbitmq_server: RabbitMq, certificates: Certificates, *, postgres_dsn: str
) -> OpenMetering:
    return partial(
        open_metering,
        journal_dir=folder / "journal",
        instance="r1",
        amqp_url=rabbitmq_server.url,
        tls_files=certificates.files("router"),
        postgres_dsn=postgres_dsn,
        reserve_bytes=1024 * 1024,
    )


@pytest.fixture
def billing(
    postgres_server: Postgres, rabbitmq_server: RabbitMq, certificates: Certificates, tmp_path: Path
) -> Iterator[RunningBilling]:
    """Migrated, not started."""
    migrated = run_command(environment(certificates, postgres_server, "operator"), "migrate")
    assert migrated.returncode == 0, migrated.stderr
    service = RunningBilling(
        environment(certificates, postgres_server, "billing") | {"AMQP_URL": rabbitmq_server.url},
        tmp_path / "billing.log",
    )
    yield service
    if service.is_running:
        service.kill()


async def until(condition: Callable[[], bool], *, what: str, timeout_s: float = 30.0) -> None:
    """Waits, without blocking the loop, for something that another task makes true."""
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110 - it is another process that makes it true
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"{what} did not come true within {timeout_s:.0f} s")
