"""The one-shot commands: migrate the schema, import price files. They print what they did."""

import sys
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from gateway_billing import price_store
from gateway_billing.database import DatabaseAway
from gateway_billing.price_file import PriceFile, PriceFileInvalid, parse_price_file
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


async def import_prices(settings: DatabaseSettings, paths: Sequence[Path]) -> int:
    """Reads all files before it writes any, then rates what had no price. Raises PriceFileInvalid."""
    files = _read(paths)
    pool = await postgres.create_pool(
        settings.postgres_dsn, settings.tls, application_name="gateway-billing import-prices", max_size=2
    )
    try:
        for path, file in files:
            version_id = await price_store.import_prices(pool, file)
            what = "already imported" if version_id is None else f"version {version_id}, {len(file.models)} models"
            print(f"{path}: book {file.book}, {file.source_version}: {what}")
        rated, remaining = await price_store.rate_unpriced(pool, await price_store.load_book(pool))
        print(f"events without a cost: {rated} rated now, {remaining} remain")
    except DatabaseAway as error:
        return _failed(f"the database cannot be reached, or is not migrated: {error}")
    finally:
        await pool.close()
    return 0


def _read(paths: Sequence[Path]) -> list[tuple[Path, PriceFile]]:
    files: list[tuple[Path, PriceFile]] = []
    problems: list[str] = []
    for path in paths:
        try:
            files.append((path, parse_price_file(path.read_bytes())))
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
        except PriceFileInvalid as error:
            problems += [f"{path}: {problem}" for problem in error.problems]
    if problems:
        raise PriceFileInvalid(problems)
    return files


def _failed(why: str) -> int:
    print(why, file=sys.stderr)
    return 1
