"""`migrate`: brings the schema up to date, as its owner."""

import sys

import asyncpg

from gateway_billing.settings import DatabaseSettings
from gateway_shared import migrations, postgres


async def migrate(settings: DatabaseSettings) -> int:
    """Applies what is missing; POSTGRES_DSN and the certificate are the owner's."""
    try:
        connection = await postgres.connect(
            settings.postgres_dsn, settings.tls, application_name="gateway-billing migrate"
        )
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        return _failed(f"the database cannot be reached: {error}")
    try:
        applied = await migrations.migrate(connection, schema="billing", package="gateway_billing")
    except (asyncpg.PostgresError, migrations.MigrationChanged) as error:
        return _failed(f"not migrated: {error}")
    finally:
        await connection.close()
    print(f"billing: applied {', '.join(applied)}" if applied else "billing: the schema is up to date")
    return 0


def _failed(why: str) -> int:
    print(why, file=sys.stderr)
    return 1
