"""First ratings into the ledger, and what of them belongs to a closed month into the adjustments."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from gateway_billing import statements
from gateway_billing.books import Ratings
from gateway_billing.database import Connection, columns


@dataclass(slots=True)
class RatedEvent:
    """A value; not `frozen`, for speed."""

    event_id: UUID | str
    tenant_id: str
    started_at: datetime
    ratings: Ratings


async def insert_ratings(
    connection: Connection,
    rated: Sequence[RatedEvent],
    *,
    closed_month: date | None,
) -> None:
    """Where an event has a rating already, that one stays.

    What belongs to a closed month is also an adjustment in the current one.
    """
    late: list[RatedEvent] = []
    if closed_month is not None:
        late = [one for one in rated if month_of(one.started_at) <= closed_month]
        rated = [one for one in rated if month_of(one.started_at) > closed_month]
    rows = [row for one in rated for row in _rows(one)]
    if rows:
        await connection.execute(statements.INSERT_RATINGS, rows)
    late_rows = [(*row, month_of(one.started_at)) for one in late for row in _rows(one)]
    if late_rows:
        await connection.execute(statements.INSERT_LATE_RATINGS, *columns(late_rows))


def month_of(moment: datetime) -> date:
    """The first day of the calendar month in UTC."""
    return moment.astimezone(UTC).date().replace(day=1)


def _rows(one: RatedEvent) -> Iterator[tuple[object, ...]]:
    """As billing.rating_row."""
    for kind, rating in (("cost", one.ratings.cost), ("charge", one.ratings.charge)):
        if rating is not None:
            yield (
                one.event_id,
                kind,
                one.tenant_id,
                rating.price_version,
                rating.tariff_version,
                rating.nano_usd,
                rating.reason,
            )
