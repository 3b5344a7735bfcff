"""Tenants in Postgres: for the `tenants` commands, with the owner's certificate."""

from importlib.resources import files

import asyncpg

_SQL = files("gateway_edge") / "sql"
_SET_END_USER_IDS = (_SQL / "set_end_user_ids.sql").read_text()
_LIST_TENANTS = (_SQL / "list_tenants.sql").read_text()

Connection = asyncpg.Connection


async def set_plain_end_user_ids(connection: Connection, tenant_id: str, *, plain: bool) -> bool:
    """False when there is no such tenant. Every edge hears of it within moments."""
    return bool(await connection.execute(_SET_END_USER_IDS, tenant_id, plain) != "UPDATE 0")


async def list_tenants(connection: Connection) -> list[asyncpg.Record]:
    return list(await connection.fetch(_LIST_TENANTS))
