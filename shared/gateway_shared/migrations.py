"""Forward-only migrations: numbered `.sql` files of one schema, applied in order, each once, by the owner.

An advisory lock lets one migrator work at a time; a file that was applied and then changed is refused.
"""

import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable

import asyncpg

_LOCK_KEY = 0x6167_7764  # one number for every migrator of this product

_LOG_TABLE = """
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {schema}.migration (
    file_name text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
_KNOWN = "SELECT file_name, sha256 FROM {schema}.migration"
_RECORD = "INSERT INTO {schema}.migration (file_name, sha256) VALUES ($1, $2)"


class MigrationChanged(Exception):
    """A migration that was applied before has another text now."""


async def migrate(connection: asyncpg.Connection, *, schema: str, package: str) -> list[str]:
    """Applies what is missing of `<package>/schema/*.sql`; returns the names of the files applied now."""
    applied_now: list[str] = []
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK_KEY)
    try:
        await connection.execute(_LOG_TABLE.format(schema=schema))
        rows = await connection.fetch(_KNOWN.format(schema=schema))
        known = {row["file_name"]: row["sha256"] for row in rows}
        for file in _sql_files(package):
            text = file.read_text()
            digest = hashlib.sha256(text.encode()).hexdigest()
            if file.name not in known:
                async with connection.transaction():
                    await connection.execute(text)
                    await connection.execute(_RECORD.format(schema=schema), file.name, digest)
                applied_now.append(file.name)
            elif known[file.name] != digest:
                raise MigrationChanged(f"{schema}: {file.name} was applied with another text; add a new file instead")
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK_KEY)
    return applied_now


def _sql_files(package: str) -> list[Traversable]:
    folder = files(package) / "schema"
    return sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
