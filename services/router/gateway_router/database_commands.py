"""`migrate`: brings the schema up to date, as its owner. `rewrap`: wraps every stored key anew, as the router."""

import asyncio
import os
import sys
from typing import Literal

import asyncpg

from gateway_router.key_ring import SecretUnreadable, read_key_ring
from gateway_router.provider_store import DATABASE_ERRORS, ProviderStore
from gateway_router.settings import DatabaseSettings, KeyRingSettings
from gateway_shared import migrations, postgres
from gateway_shared.errors import DatabaseUnavailable
from gateway_shared.settings import read_settings


def run(command: Literal["migrate", "rewrap"]) -> int:
    """The exit status. Raises SettingsInvalid."""
    if command == "migrate":
        return asyncio.run(_migrate(read_settings(DatabaseSettings, os.environ)))
    return asyncio.run(_rewrap(read_settings(KeyRingSettings, os.environ)))


async def _migrate(settings: DatabaseSettings) -> int:
    try:
        connection = await postgres.connect(
            settings.postgres_dsn, settings.tls_files, application_name="gateway router migrate"
        )
    except DATABASE_ERRORS as error:
        return _failed(f"the database cannot be reached: {error}")
    try:
        applied = await migrations.migrate(connection, schema="router", package="gateway_router")
    except (asyncpg.PostgresError, migrations.MigrationChanged) as error:
        return _failed(f"not migrated: {error}")
    finally:
        await connection.close()
    print(f"router: applied {', '.join(applied)}" if applied else "router: the schema is up to date")
    return 0


async def _rewrap(settings: KeyRingSettings) -> int:
    ring = read_key_ring(settings.provider_key_ring_file)
    pool = await postgres.create_pool(
        settings.postgres_dsn, settings.tls_files, application_name="gateway router rewrap", max_size=1
    )
    async with pool:
        try:
            count = await ProviderStore(pool, ring).rewrap()
        except SecretUnreadable as error:
            return _failed(f"nothing was changed, {error}")
        except DatabaseUnavailable as error:
            return _failed(
                f"nothing was changed: the database cannot be reached, or is not migrated: {error.__cause__}"
            )
    print(f"{count} secrets wrapped anew; all are under {ring.current_id} now")
    return 0


def _failed(why: str) -> int:
    print(why, file=sys.stderr)
    return 1
