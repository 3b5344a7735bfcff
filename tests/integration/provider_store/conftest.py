"""A migrated schema `router`, empty for each test, and routers' views of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from gateway_router.configuration import Configuration
from gateway_router.key_ring import KeyRing
from gateway_router.provider_store import ProviderStore
from gateway_router.stored_providers import StoredProviders, open_stored_providers
from gateway_shared import migrations, postgres
from tests.servers import Postgres
from tests.unit.router.stored import ring

Connect = Callable[[str], Awaitable[asyncpg.Connection]]
OpenStore = Callable[[KeyRing | None], ProviderStore]
OpenRouter = Callable[[Path], AbstractAsyncContextManager[StoredProviders]]


@pytest.fixture
async def connect_as(postgres_server: Postgres) -> AsyncIterator[Connect]:
    """A connection of a role's own."""
    opened: list[asyncpg.Connection] = []

    async def connect(role: str) -> asyncpg.Connection:
        opened.append(
            await postgres.connect(postgres_server.dsn(role), postgres_server.tls_files(role), application_name="tests")
        )
        return opened[-1]

    yield connect
    for connection in opened:
        connection.terminate()


@pytest.fixture
async def database(postgres_server: Postgres, connect_as: Connect) -> Postgres:
    owner = await connect_as("operator")
    await migrations.migrate(owner, schema="router", package="gateway_router")
    await owner.execute("DELETE FROM router.provider")
    await owner.execute("DELETE FROM router.routing_setting")
    return postgres_server


@pytest.fixture
async def owner(database: Postgres, connect_as: Connect) -> AsyncIterator[asyncpg.Connection]:
    """The owner of a ledger that has no providers' prices but the test's own."""
    assert database
    connection = await connect_as("operator")
    await migrations.migrate(connection, schema="billing", package="gateway_billing")
    yield connection
    ours = "(SELECT version_id FROM billing.price_version WHERE book LIKE 'provider/%')"
    await connection.execute(f"DELETE FROM billing.price WHERE version_id IN {ours}")
    await connection.execute("DELETE FROM billing.price_version WHERE book LIKE 'provider/%'")


@pytest.fixture
async def open_store(database: Postgres) -> AsyncIterator[OpenStore]:
    pool = await postgres.create_pool(
        database.dsn("router"), database.tls_files("router"), application_name="tests", max_size=5
    )
    yield lambda key_ring: ProviderStore(pool, key_ring)
    pool.terminate()


@pytest.fixture
async def store(open_store: OpenStore) -> ProviderStore:
    return open_store(ring())


@pytest.fixture
def open_router(database: Postgres) -> OpenRouter:
    """One router's stored providers, with its journal in a folder of its own."""

    @asynccontextmanager
    async def opened(journal_dir: Path) -> AsyncIterator[StoredProviders]:
        async with open_stored_providers(
            Configuration(),
            ring(),
            allowed_hosts=(),
            journal_dir=journal_dir,
            instance=journal_dir.name,
            postgres_dsn=database.dsn("router"),
            tls_files=database.tls_files("router"),
        ) as stored:
            yield stored

    return opened
