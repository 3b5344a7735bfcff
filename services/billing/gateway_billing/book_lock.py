"""Who reads the books and who changes them, in Postgres: readers together, each change alone.

Rating reads them in the transaction that writes the ratings; importing a version and closing a month
change them. So no event is rated by a version that is no longer the newest, whichever process
imported it, and none falls between a closed month and the adjustments after it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime

from gateway_billing import statements
from gateway_billing.books import Books
from gateway_billing.database import BULK_TIMEOUT_S, Connection, Pool, borrowed


class BooksOutdated(Exception):
    """There is a newer version of prices or tariffs than these books have."""


async def read_books(connection: Connection, books: Books) -> date | None:
    """Keeps the books as they are until the transaction ends.

    Returns the latest month that is closed for any tenant. Raises BooksOutdated.
    """
    row = await connection.fetchrow(statements.READ_BOOKS)
    assert row is not None, "the function returns one row"
    if (row["price_version"], row["tariff_version"]) != books.newest:
        raise BooksOutdated
    closed_month: date | None = row["closed_month"]
    return closed_month


@asynccontextmanager
async def changing_books(
    pool: Pool, *, timeout_s: float = BULK_TIMEOUT_S
) -> AsyncIterator[tuple[Connection, datetime]]:
    """A transaction that holds the books alone, and the time from which on it does. Raises DatabaseAway."""
    async with borrowed(pool, timeout_s=timeout_s) as connection, connection.transaction():
        changed_at: datetime = await connection.fetchval(statements.CHANGE_BOOKS, timeout=timeout_s)
        yield connection, changed_at
