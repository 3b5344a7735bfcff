"""The rim to Postgres: a deadline that holds even when the server hangs, and two kinds of failure."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from gateway_shared.postgres import cut_after

Pool = asyncpg.Pool
Connection = asyncpg.pool.PoolConnectionProxy

STATEMENT_TIMEOUT_S = 4.0
"""Shorter than the 5 s within which the consumer gives up its subscription when the database is away."""

BULK_TIMEOUT_S = 120.0
"""For what is as long as the books or the ledger are."""


class DatabaseAway(Exception):
    """The database cannot do this now; the same statement can succeed later."""


class NotAllowed(DatabaseAway):
    """Not for the role that asks: it can succeed once the schema is brought up to date, or as the database's owner."""


class DataRefused(Exception):
    """The database refuses these very values and always will."""


@asynccontextmanager
async def borrowed(pool: Pool, *, timeout_s: float = STATEMENT_TIMEOUT_S) -> AsyncIterator[Connection]:
    """A connection for at most `timeout_s`, then its socket is cut, since asking a hung server would hang too.

    Raises DatabaseAway (NotAllowed is one) and DataRefused in place of asyncpg's errors.
    """
    try:
        async with pool.acquire(timeout=timeout_s) as connection:
            with cut_after(connection, timeout_s):
                yield connection
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError) as error:
        raise DataRefused(f"{type(error).__name__}: {error}") from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise NotAllowed(f"{type(error).__name__}: {error}") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as error:
        # InternalClientError: the server died while a statement was prepared, and the pool would reset the connection
        # what kept connections know of types and plans is of a schema that may have been restored since
        await pool.expire_connections()
        raise DatabaseAway(type(error).__name__) from error


def columns(rows: Sequence[tuple[object, ...]]) -> Iterator[list[object]]:
    """Rows as the lists that an `unnest` takes; there must be at least one row."""
    return map(list, zip(*rows, strict=True))
