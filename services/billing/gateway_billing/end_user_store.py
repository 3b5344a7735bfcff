"""End users' names in Postgres, apart from the ledger: of tenants that opted in, erased on demand, never brought back.

What is erased keeps its row in `billing.end_user` without the name: a name that comes again, in an event that is
still on its way or in a new one, meets that row and is dropped.
"""

from collections.abc import Iterable

import asyncpg

from gateway_billing import statements
from gateway_billing.end_user import EndUser

Connection = asyncpg.pool.PoolConnectionProxy | asyncpg.Connection

_BULK_TIMEOUT_S = 120.0


async def remember(connection: Connection, end_users: Iterable[EndUser]) -> None:
    """The first name of a pseudonym stays; sorted, since unsorted writers deadlock."""
    rows = [(one.tenant_id, one.pseudonym, one.name) for one in sorted(set(end_users))]
    if rows:
        await connection.execute(statements.INSERT_END_USERS, *map(list, zip(*rows, strict=True)))


async def erase_name(connection: Connection, tenant_id: str, name: str) -> list[str]:
    """Forgets whom these pseudonyms stand for, and returns them; none when the name is not known."""
    rows = await connection.fetch(statements.ERASE_END_USER, tenant_id, name)
    return [row["end_user"] for row in rows]


async def erase_pseudonym(connection: Connection, tenant_id: str, pseudonym: str) -> None:
    """As `erase_name`; holds for a pseudonym that was never named, too."""
    await connection.execute(statements.ERASE_PSEUDONYM, tenant_id, pseudonym)


async def occurrences(connection: Connection, tenant_id: str, name: str) -> tuple[int, int]:
    """Rows that hold the name itself: facts of schema version 1, and events in quarantine that are no JSON."""
    row = await connection.fetchrow(statements.COUNT_NAME, tenant_id, name, timeout=_BULK_TIMEOUT_S)
    assert row is not None
    return row["events"], row["quarantined"]


async def clean_up(connection: Connection) -> None:
    """An erased name's old row version goes now, and not when the server gets round to it; not in a transaction."""
    await connection.execute("VACUUM billing.end_user", timeout=_BULK_TIMEOUT_S)
