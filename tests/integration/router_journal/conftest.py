"""The router's metering against a real broker; billing's part is played with billing's certificate."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from gateway_router.metering import Metering, open_metering
from tests.integration.router_journal.ledger_queue import LedgerQueue
from tests.servers import Certificates, RabbitMq

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
    return partial(
        open_metering,
        journal_dir=tmp_path / "journal",
        instance="r1",
        amqp_url=rabbitmq_server.url,
        tls_files=certificates.files("router"),
        postgres_dsn="postgresql://router@localhost:1/gateway",
        reserve_bytes=1024 * 1024,
    )


async def until(condition: Callable[[], bool], *, what: str, timeout_s: float = 30.0) -> None:
    """Waits, without blocking the loop, for something that another task makes true."""
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110 - it is another process that makes it true
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"{what} did not come true within {timeout_s:.0f} s")
