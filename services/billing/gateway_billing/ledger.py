"""Writing to the ledger: each event once, rated in the same transaction, a bad one alone in quarantine."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import asyncpg

from gateway_billing import end_user_store, statements
from gateway_billing.book_keeper import BookKeeper
from gateway_billing.book_lock import BooksOutdated, read_books
from gateway_billing.books import Books, rate
from gateway_billing.database import Connection, DataRefused, borrowed
from gateway_billing.message import MessageContent, PoisonEvent, newest_marks, refused
from gateway_billing.rating_store import RatedEvent, insert_ratings
from gateway_billing.received_event import ReceivedEvent
from gateway_shared.producer_mark import ProducerMark


@dataclass(slots=True)
class Recorded:
    """What became of a batch. consumed = inserted + duplicate + quarantined (RELIABILITY, I5)."""

    inserted: int = 0
    duplicate: int = 0
    quarantined: int = 0
    unpriced: int = 0
    uncharged: int = 0
    usage_sources: Counter[str] = field(default_factory=Counter)


class Ledger:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def record(self, content: MessageContent, keeper: BookKeeper) -> Recorded:
        """All of them are durable when this returns. Raises DatabaseAway; what was written then is a duplicate later.

        Sorted by event_id, since unsorted batches of several consumers deadlock.
        """
        recorded = Recorded()
        if content.events or content.marks:
            events = sorted(content.events, key=attrgetter("event_id"))
            await self._insert(events, newest_marks(content.marks), keeper, recorded)
        if content.poison:
            await self._quarantine(content.poison)
            recorded.quarantined += len(content.poison)
        return recorded

    async def _insert(
        self,
        events: Sequence[ReceivedEvent],
        marks: Sequence[ProducerMark],
        keeper: BookKeeper,
        recorded: Recorded,
    ) -> None:
        """One transaction, unless the database refuses a value: then halves, down to the one that is refused."""
        books = keeper.books
        ratings = _ratings(events, books)
        try:
            async with borrowed(self._pool) as connection, connection.transaction():
                closed_month = await read_books(connection, books)
                inserted = await _insert_events(connection, events)
                rated = [one for one in ratings.values() if one.event_id in inserted]
                await insert_ratings(connection, rated, closed_month=closed_month)
                lacking = [one.event_id for one in rated if one.ratings.cost is None or one.ratings.charge is None]
                if lacking:
                    await connection.execute(statements.INSERT_UNRATED, lacking)
                await end_user_store.remember(connection, (event.end_user for event in events if event.end_user))
                await _upsert_marks(connection, marks)
        except BooksOutdated:
            await keeper.load()
            await self._insert(events, marks, keeper, recorded)
            return
        except DataRefused as error:
            if not events:
                raise
            if len(events) == 1:
                await self._quarantine([refused(events[0], str(error))])
                recorded.quarantined += 1
                await self._insert([], marks, keeper, recorded)
                return
            middle = len(events) // 2
            await self._insert(events[:middle], [], keeper, recorded)
            await self._insert(events[middle:], marks, keeper, recorded)
            return
        recorded.inserted += len(inserted)
        recorded.duplicate += len(events) - len(inserted)
        recorded.unpriced += sum(one.ratings.cost is None for one in rated)
        recorded.uncharged += sum(one.ratings.charge is None for one in rated)
        recorded.usage_sources.update(event.usage_source for event in events if event.event_id in inserted)

    async def _quarantine(self, poison: Sequence[PoisonEvent]) -> None:
        async with borrowed(self._pool) as connection:
            await connection.execute(
                statements.INSERT_QUARANTINE,
                [hashlib.sha256(one.raw).hexdigest() for one in poison],
                [one.raw for one in poison],
                [_storable(one.error) for one in poison],
                [one.tenant_id for one in poison],
                [one.producer for one in poison],
                [one.sequence for one in poison],
            )


async def _insert_events(connection: Connection, events: Sequence[ReceivedEvent]) -> set[str]:
    """The ids of those that were not there yet; of an id that is there twice the first counts."""
    if not events:
        return set()
    row = await connection.fetchrow(statements.INSERT_EVENTS, [event.row for event in events])
    assert row is not None, "an aggregate returns one row"
    if row["inserted_ids"] is None:
        return {event.event_id for event in events}
    return set(map(str, row["inserted_ids"]))


async def _upsert_marks(connection: Connection, marks: Sequence[ProducerMark]) -> None:
    if not marks:
        return
    await connection.execute(
        statements.UPSERT_MARKS,
        [mark.producer for mark in marks],
        [mark.sequence for mark in marks],
        [mark.closed for mark in marks],
        [mark.marked_at for mark in marks],
    )


def _ratings(events: Sequence[ReceivedEvent], books: Books) -> Mapping[str, RatedEvent]:
    """By event_id; of an id that is there twice the first counts, as it does in the insert."""
    return {event.event_id: _rated(event, books) for event in reversed(events)}


def _rated(event: ReceivedEvent, books: Books) -> RatedEvent:
    usage = event.usage
    return RatedEvent(event.event_id, event.tenant_id, usage.started_at, rate(usage, books))


def _storable(text: str) -> str:
    """Postgres' text holds neither NUL nor a lone surrogate; an error message quotes what it was given."""
    return text.replace("\0", "\\0").encode(errors="backslashreplace").decode()
