"""Making, revoking and listing API keys in Postgres: for the `keys` commands."""

from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

import asyncpg

from gateway_edge.key_format import KeyKind


def _sql(name: str) -> str:
    return (files("gateway_edge") / "sql" / f"{name}.sql").read_text()


_NAME_RULES = {
    "tenant_tenant_id_check": "a tenant's name is 1 to 64 of the characters A-Z a-z 0-9 . _ -",
    "app_user_user_id_check": "a user's name is 1 to 128 of the characters A-Z a-z 0-9 . _ @ + -",
    "api_key_plan_id_check": "a plan's name is 1 to 64 of the characters A-Z a-z 0-9 . _ -",
}
_CREATE_TENANT = _sql("create_tenant")
_CREATE_USER = _sql("create_user")
_CREATE_KEY = _sql("create_key")
_REVOKE_KEY = _sql("revoke_key")
_LIST_KEYS = _sql("list_keys")

Connection = asyncpg.Connection


class KeyNotMade(Exception):
    """The key could not be made; the text says why, for the operator."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """All of a key but the key itself."""

    tenant_id: str
    key_id: str
    user_id: str
    plan_id: str
    kind: KeyKind
    digest: bytes
    prefix: str
    last_four: str
    expires_at: datetime | None


async def create_key(connection: Connection, key: NewKey) -> None:
    """Makes tenant and user too when they are missing. Raises KeyNotMade."""
    try:
        async with connection.transaction():
            await connection.execute(_CREATE_TENANT, key.tenant_id)
            await connection.execute(_CREATE_USER, key.tenant_id, key.user_id)
            await connection.execute(
                _CREATE_KEY,
                key.tenant_id,
                key.key_id,
                key.user_id,
                key.plan_id,
                key.kind,
                key.digest,
                key.prefix,
                key.last_four,
                key.expires_at,
            )
    except asyncpg.ForeignKeyViolationError as error:
        raise KeyNotMade(f"tenant {key.tenant_id} has no plan {key.plan_id}") from error
    except asyncpg.CheckViolationError as error:
        raise KeyNotMade(_NAME_RULES.get(str(error.constraint_name), "a name is not allowed here")) from error


async def revoke_key(connection: Connection, key_id: str) -> bool:
    """False when there is no such live key."""
    return bool(await connection.execute(_REVOKE_KEY, key_id) != "UPDATE 0")


async def list_keys(connection: Connection) -> list[asyncpg.Record]:
    return list(await connection.fetch(_LIST_KEYS))
