"""Changes of stored providers on routers that run, with Postgres there and away."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest

from gateway_router.configuration_copy import FILE_NAME
from gateway_router.provider_channel import ProviderChannel
from gateway_router.provider_store import STATEMENT_TIMEOUT_S
from gateway_router.stored_provider import StoredConfiguration
from gateway_router.stored_providers import START_PATIENCE_S, StoredProviders
from gateway_shared import postgres as postgres_client
from gateway_shared.errors import DatabaseUnavailable
from gateway_shared.settings import Secret
from tests.integration.provider_store.conftest import Connect, OpenRouter
from tests.integration.router.router_rig import until
from tests.servers import Postgres
from tests.unit.router.stored import CANARY, definition

IN_FORCE_S = 2.0


@pytest.fixture
def journals(tmp_path: Path) -> list[Path]:
    """Folders of two routers."""
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    return folders


@pytest.fixture
async def routers(open_router: OpenRouter, journals: list[Path]) -> AsyncIterator[list[StoredProviders]]:
    async with AsyncExitStack() as ends:
        yield [await ends.enter_async_context(open_router(folder)) for folder in journals]


@pytest.fixture
def postgres(database: Postgres) -> Iterator[Postgres]:
    """Runs again when the test is over."""
    yield database
    if not database.is_running:
        database.start()
    for pid in backends_of(database):
        os.kill(pid, signal.SIGCONT)


def backends_of(postgres: Postgres) -> list[int]:
    """The server's processes that hold connections, and its own helpers; the listener itself goes on."""
    return [int(pid) for pid in Path(f"/proc/{postgres.pid}/task/{postgres.pid}/children").read_text().split()]


async def add(router: StoredProviders, name: str = "acme", **said: object) -> int:
    """The version that it made."""
    written = await router.store.put_provider(
        definition(name, **said), api_keys=[Secret(CANARY)], expected_version=None
    )
    return written.version


def serves(router: StoredProviders, name: str) -> bool:
    return name in router.directory.current.visible_to(None)


async def test_a_change_is_in_force_on_every_router_within_two_seconds(routers: list[StoredProviders]) -> None:
    began_s = time.monotonic()
    version = await add(routers[0])
    for router in routers:
        assert await router.directory.reached(version, timeout_s=IN_FORCE_S * 3)
        way = router.directory.current.visible_to(None)["acme"].ways[0]
        assert way.api_key.reveal() == CANARY
    await routers[1].store.delete_provider("acme")
    await until(lambda: not any(serves(router, "acme") for router in routers), timeout_s=IN_FORCE_S * 3)
    assert time.monotonic() - began_s < 2 * IN_FORCE_S


async def test_what_the_owner_changes_by_hand_is_in_force_too(
    routers: list[StoredProviders], connect_as: Connect
) -> None:
    await add(routers[0])
    await until(lambda: all(serves(router, "acme") for router in routers), timeout_s=IN_FORCE_S * 3)
    owner = await connect_as("operator")
    await owner.execute("DELETE FROM router.provider")
    await until(lambda: not any(serves(router, "acme") for router in routers), timeout_s=IN_FORCE_S * 3)


async def test_while_postgres_is_away_the_last_known_configuration_goes_on(
    routers: list[StoredProviders], postgres: Postgres
) -> None:
    version = await add(routers[0])
    for router in routers:
        await router.directory.reached(version, timeout_s=IN_FORCE_S * 3)
    postgres.kill()
    await until(lambda: not any(router.directory.is_heard for router in routers), timeout_s=10)
    with pytest.raises(DatabaseUnavailable):
        await add(routers[0], "other")
    assert all(serves(router, "acme") for router in routers)
    assert routers[0].directory.facts()["configuration"] == {
        "version": version,
        "source": "database",
        "hears_changes": False,
        "unusable": {},
    }
    postgres.start()
    await until(lambda: all(router.directory.is_heard for router in routers), timeout_s=30)
    version = await add(routers[0], "other")
    for router in routers:
        assert await router.directory.reached(version, timeout_s=IN_FORCE_S * 3)


async def test_a_database_that_hangs_holds_nobody_for_long(routers: list[StoredProviders], postgres: Postgres) -> None:
    await routers[0].directory.reached(await add(routers[0]), timeout_s=IN_FORCE_S * 3)
    for pid in backends_of(postgres):
        os.kill(pid, signal.SIGSTOP)
    began_s = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        await add(routers[0], "other")
    assert time.monotonic() - began_s < STATEMENT_TIMEOUT_S + 2
    assert serves(routers[0], "acme")


async def test_a_router_that_starts_without_postgres_has_what_it_knew_last(
    open_router: OpenRouter, journals: list[Path], postgres: Postgres
) -> None:
    knowing, new = journals
    async with open_router(knowing) as router:
        version = await add(router)
        await router.directory.reached(version, timeout_s=IN_FORCE_S * 3)
        await until(lambda: "acme" in (knowing / FILE_NAME).read_text())
    assert CANARY not in (knowing / FILE_NAME).read_text()
    postgres.kill()
    began_s = time.monotonic()
    async with open_router(knowing) as router, open_router(new) as fresh:
        assert time.monotonic() - began_s < START_PATIENCE_S * 2
        assert router.directory.facts()["configuration"] == {
            "version": version,
            "source": "copy",
            "hears_changes": False,
            "unusable": {},
        }
        assert router.directory.current.visible_to(None)["acme"].ways[0].api_key.reveal() == CANARY
        assert fresh.directory.current.registrations == ()
        postgres.start()
        await until(lambda: serves(fresh, "acme"), timeout_s=30)


async def test_a_router_that_starts_before_the_migration_waits_for_it(
    open_router: OpenRouter, journals: list[Path], connect_as: Connect
) -> None:
    owner = await connect_as("operator")
    await owner.execute("ALTER SCHEMA router RENAME TO router_away")
    try:
        async with open_router(journals[0]) as router:
            assert router.directory.facts()["configuration"]["source"] == "environment"
            await owner.execute("ALTER SCHEMA router_away RENAME TO router")
            await until(lambda: router.directory.is_heard, timeout_s=10)
            assert router.directory.facts()["configuration"]["source"] == "database"
    finally:
        if await owner.fetchval("SELECT to_regnamespace('router_away') IS NOT NULL"):
            await owner.execute("ALTER SCHEMA router_away RENAME TO router")


async def test_the_connection_is_replaced_while_its_certificate_is_good(database: Postgres) -> None:
    heard: list[bool] = []

    async def connect() -> asyncpg.Connection:
        return await postgres_client.connect(
            database.dsn("router"), database.tls_files("router"), application_name="tests"
        )

    async def take(stored: StoredConfiguration) -> None:
        assert stored.providers == ()

    channel = ProviderChannel(connect, take, note=heard.append, lifetime_s=lambda: 0.1)
    listening = asyncio.create_task(channel.run())
    await until(lambda: heard.count(True) >= 3)
    listening.cancel()
    assert heard[:4] == [True, False, True, False]
