"""Events in the ledger without a cost or without a charge, rated as soon as the books have what was missing.

They are on a list, which the consumer adds to: to look for them among all events would take as long as the ledger is.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from gateway_billing import statements
from gateway_billing.book_lock import read_books
from gateway_billing.books import Books, Ratings, rate
from gateway_billing.database import BULK_TIMEOUT_S, Pool, borrowed
from gateway_billing.rating import Usage
from gateway_billing.rating_store import RatedEvent, insert_ratings
from gateway_shared.usage_event import TokenCounts

_PAGE = 1000


@dataclass(slots=True)
class Count:
    """Events that got what they lacked, and how many still lack a cost or a charge."""

    rated: int = 0
    unpriced: int = 0
    uncharged: int = 0


async def list_unlisted(pool: Pool) -> None:
    """Adds what a consumer of a release without the list recorded in the last hour, while this one was rolled out.

    Raises DatabaseAway.
    """
    async with borrowed(pool, timeout_s=BULK_TIMEOUT_S) as connection:
        await connection.execute(statements.INSERT_UNRATED_OF_LAST_HOUR, timeout=BULK_TIMEOUT_S)


async def rate_unrated(pool: Pool, books: Books) -> Count:
    """Raises DatabaseAway and BooksOutdated; what was rated until then stays."""
    count = Count()
    async for page in _pages(pool):
        rated = [_rated(row, books) for row in page]
        async with borrowed(pool) as connection, connection.transaction():
            closed_month = await read_books(connection, books)
            await insert_ratings(connection, rated, closed_month=closed_month)
            await connection.execute(statements.DELETE_UNRATED, _done(page, rated))
        for row, one in zip(page, rated, strict=True):
            count.rated += _has_both(row, one)
            count.unpriced += not (row["is_priced"] or one.ratings.cost)
            count.uncharged += not (row["is_charged"] or one.ratings.charge)
    return count


def usage_of(row: asyncpg.Record) -> Usage:
    """From a row with the columns of billing.event."""
    return Usage(
        price_provider=row["price_provider"],
        model_served=row["model_served"],
        model_upstream=row["model_upstream"],
        service_tier=row["service_tier"],
        started_at=row["started_at"],
        usage_source=row["usage_source"],
        tokens=TokenCounts(**{name: row[name] for name in TokenCounts.__dataclass_fields__}),
        status=row["status"],
        channel=row["channel"],
        plan_id=row["plan_id"],
    )


def _rated(row: asyncpg.Record, books: Books) -> RatedEvent:
    """With the ratings that the event lacks only."""
    ratings = rate(usage_of(row), books)
    lacking = Ratings(
        None if row["is_priced"] else ratings.cost, None if row["is_charged"] else ratings.charge, ratings.why
    )
    return RatedEvent(row["event_id"], row["tenant_id"], row["started_at"], lacking)


def _done(page: Sequence[asyncpg.Record], rated: Sequence[RatedEvent]) -> list[UUID]:
    return [row["event_id"] for row, one in zip(page, rated, strict=True) if _has_both(row, one)]


def _has_both(row: asyncpg.Record, one: RatedEvent) -> bool:
    """A cost and a charge, by now."""
    return bool((row["is_priced"] or one.ratings.cost) and (row["is_charged"] or one.ratings.charge))


async def _pages(pool: Pool) -> AsyncIterator[list[asyncpg.Record]]:
    after = UUID(int=0)
    while True:
        async with borrowed(pool, timeout_s=BULK_TIMEOUT_S) as connection:
            page = await connection.fetch(statements.SELECT_UNRATED, after, _PAGE, timeout=BULK_TIMEOUT_S)
        if page:
            yield page
        if len(page) < _PAGE:
            return
        after = page[-1]["event_id"]
