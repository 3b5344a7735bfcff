"""Rating events again, by the books as they are now: a new revision, or in a closed month an adjustment.

Only what comes to another amount is written, so that the same books again write nothing.
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import asyncpg

from gateway_billing import statements
from gateway_billing.book_keeper import BookKeeper
from gateway_billing.book_lock import BooksOutdated, read_books
from gateway_billing.books import Books, rate
from gateway_billing.database import BULK_TIMEOUT_S, Connection, Pool, borrowed, columns
from gateway_billing.rating import Rating
from gateway_billing.rating_store import month_of
from gateway_billing.unrated import usage_of

Kind = Literal["cost", "charge"]

_LOCK_KEY = 0x7265_7261  # one re-rating at a time
_PAGE = 1000
_LONGEST_RUN_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Range:
    """Which events: those that started from `begin` until before `end`, of one tenant or of all."""

    begin: datetime
    end: datetime
    tenant_id: str | None = None


@dataclass(slots=True)
class Changes:
    """Of one kind: what was written, or would be, and by how much it changes the sum, nano-USD."""

    revisions: int = 0
    revised_nano_usd: int = 0
    adjustments: int = 0
    adjusted_nano_usd: int = 0

    def add(self, by_nano_usd: int, *, is_closed: bool) -> None:
        if is_closed:
            self.adjustments += 1
            self.adjusted_nano_usd += by_nano_usd
        else:
            self.revisions += 1
            self.revised_nano_usd += by_nano_usd


@dataclass(slots=True)
class Rerated:
    """`unratable` are events that the books of now have no amount for at all; what they had stays."""

    events: int = 0
    unratable: int = 0
    changes: dict[Kind, Changes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Again:
    """An event's amount by the books of now."""

    event: asyncpg.Record
    kind: Kind
    rating: Rating


@dataclass(frozen=True, slots=True)
class _Difference:
    """Where that is another amount. `number` is the new revision's, or in a closed month the new adjustment's."""

    again: _Again
    is_closed: bool
    number: int
    by_nano_usd: int

    def row(self, reason: str) -> tuple[object, ...]:
        """A revision says what it amounts to now, an adjustment by how much more or less that is."""
        event, rating = self.again.event, self.again.rating
        return (
            event["event_id"],
            self.again.kind,
            self.number,
            event["tenant_id"],
            rating.price_version,
            rating.tariff_version,
            self.by_nano_usd if self.is_closed else rating.nano_usd,
            f"{rating.reason}; rated again: {reason}",
        )


async def rerate(pool: Pool, span: Range, *, kinds: Sequence[Kind], reason: str, is_dry_run: bool = False) -> Rerated:
    """Page by page, each in a transaction of its own: after a failure, run it again. Raises DatabaseAway."""
    keeper = BookKeeper(pool)
    await keeper.load_once()
    result = Rerated(changes={kind: Changes() for kind in kinds})
    async with aclosing(_pages(pool, span)) as pages:
        async for page in pages:
            again = await _rerate_page(pool, page, keeper, result, kinds=kinds, reason=reason, is_dry_run=is_dry_run)
            result.events += len(page)
            result.unratable += len(page) - len({one.event["event_id"] for one in again})
    return result


async def _pages(pool: Pool, span: Range) -> AsyncGenerator[list[asyncpg.Record], None]:
    """Of one snapshot, while nobody else rates again."""
    async with borrowed(pool, timeout_s=_LONGEST_RUN_S) as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK_KEY, timeout=_LONGEST_RUN_S)
        cursor = await connection.cursor(
            statements.SELECT_EVENTS, span.begin, span.end, span.tenant_id, timeout=BULK_TIMEOUT_S
        )
        while page := await cursor.fetch(_PAGE, timeout=BULK_TIMEOUT_S):
            yield page


async def _rerate_page(
    pool: Pool,
    page: Sequence[asyncpg.Record],
    keeper: BookKeeper,
    result: Rerated,
    *,
    kinds: Sequence[Kind],
    reason: str,
    is_dry_run: bool,
) -> list[_Again]:
    """What of the page could be rated."""
    again = list(_rated(page, keeper.books, kinds))
    if not again:
        return again
    try:
        async with borrowed(pool, timeout_s=BULK_TIMEOUT_S) as connection, connection.transaction():
            await read_books(connection, keeper.books)
            differences = await _differences(connection, again)
            if not is_dry_run:
                await _insert(connection, differences, reason)
    except BooksOutdated:
        await keeper.load()
        return await _rerate_page(pool, page, keeper, result, kinds=kinds, reason=reason, is_dry_run=is_dry_run)
    for one in differences:
        result.changes[one.again.kind].add(one.by_nano_usd, is_closed=one.is_closed)
    return again


def _rated(page: Sequence[asyncpg.Record], books: Books, kinds: Sequence[Kind]) -> Iterator[_Again]:
    for event in page:
        ratings = rate(usage_of(event), books)
        if "cost" in kinds and ratings.cost is not None:
            yield _Again(event, "cost", ratings.cost)
        if "charge" in kinds and ratings.charge is not None:
            yield _Again(event, "charge", ratings.charge)


async def _differences(connection: Connection, again: Sequence[_Again]) -> list[_Difference]:
    keys = [
        (
            one.event["event_id"],
            one.kind,
            one.event["tenant_id"],
            month_of(one.event["started_at"]),
            one.rating.nano_usd,
        )
        for one in again
    ]
    rows = await connection.fetch(statements.SELECT_DIFFERENCES, *columns(keys))
    return [
        _Difference(
            again=(one := again[row["position"] - 1]),
            is_closed=row["is_closed"],
            number=(row["number"] if row["is_closed"] else row["revision"]) + 1,
            by_nano_usd=one.rating.nano_usd - row["nano_usd_now"],
        )
        for row in rows
    ]


async def _insert(connection: Connection, differences: Sequence[_Difference], reason: str) -> None:
    revisions = [one.row(reason) for one in differences if not one.is_closed]
    if revisions:
        await connection.execute(statements.INSERT_REVISIONS, *columns(revisions))
    adjustments = [(*one.row(reason), month_of(one.again.event["started_at"])) for one in differences if one.is_closed]
    if adjustments:
        await connection.execute(statements.INSERT_ADJUSTMENTS, *columns(adjustments))
