"""Closing a month: what was invoiced is kept as it is, and whatever is found out later becomes an adjustment.

It holds the books alone, so no event is recorded meanwhile: each is either in the month's figures or,
if it comes later, an adjustment. What the month lacks is looked for before that too, where it holds up nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import orjson

from gateway_billing import statements
from gateway_billing.book_lock import changing_books
from gateway_billing.database import Connection, Pool, borrowed

_TIMEOUT_S = 3600.0


class NotClosed(Exception):
    """The month stays open; the text says why, one line for each reason."""


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month in UTC, by its first day."""

    first_day: date

    @property
    def begin(self) -> datetime:
        return datetime.combine(self.first_day, time(), UTC)

    @property
    def end(self) -> datetime:
        next_month = date(self.first_day.year + self.first_day.month // 12, self.first_day.month % 12 + 1, 1)
        return datetime.combine(next_month, time(), UTC)

    def __str__(self) -> str:
        return f"{self.first_day:%Y-%m}"


@dataclass(frozen=True, slots=True)
class Forced:
    """What is passed over, and noted on the closed month, instead of keeping it open."""

    unpriced: bool = False
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class Blocker:
    problem: str
    what: str
    events: int

    @property
    def is_unpriced(self) -> bool:
        return self.problem.startswith("without")

    def __str__(self) -> str:
        return f"{self.events} {self.problem}: {self.what}"


async def close_month(pool: Pool, month: Month, tenant_id: str | None, *, forced: Forced) -> list[Blocker]:
    """For a tenant, or for the whole ledger; returns what was passed over. Raises NotClosed."""
    async with borrowed(pool, timeout_s=_TIMEOUT_S) as connection:
        _check(await _blockers(connection, month, tenant_id), forced)
    async with changing_books(pool, timeout_s=_TIMEOUT_S) as (connection, now):
        if now < month.end:
            raise NotClosed(f"{month} is not over")
        if await connection.fetchval(statements.IS_CLOSED, month.first_day, tenant_id):
            raise NotClosed(f"{month} is closed already")
        blockers = await _blockers(connection, month, tenant_id)
        _check(blockers, forced)
        note = "\n".join(f"passed over: {blocker}" for blocker in blockers) or None
        await connection.execute(statements.FREEZE_STATEMENT, month.first_day, tenant_id, timeout=_TIMEOUT_S)
        await connection.execute(
            statements.CLOSE_TENANTS, month.first_day, month.begin, month.end, note, tenant_id, now, timeout=_TIMEOUT_S
        )
        if tenant_id is None:
            await connection.execute(statements.CLOSE_LEDGER, month.first_day, note, now)
        return blockers


def _check(blockers: Sequence[Blocker], forced: Forced) -> None:
    left = [one for one in blockers if not (forced.unpriced if one.is_unpriced else forced.incomplete)]
    if left:
        raise NotClosed("\n".join(map(str, left)))


async def _blockers(connection: Connection, month: Month, tenant_id: str | None) -> list[Blocker]:
    lacking = await connection.fetch(
        statements.SELECT_MONTH_BLOCKERS, month.begin, month.end, tenant_id, timeout=_TIMEOUT_S
    )
    quarantined = await connection.fetch(statements.SELECT_QUARANTINE_SINCE, month.begin, tenant_id, timeout=_TIMEOUT_S)
    return [Blocker(**row) for row in lacking] + [
        Blocker("quarantined", f"{row['raw_sha256'][:12]}, {row['error']}", 1)
        for row in quarantined
        if not _is_of_later_month(row["raw"], month)
    ]


def _is_of_later_month(raw: bytes, month: Month) -> bool:
    """An event that does not say when it started can be of any month."""
    try:
        started_at = datetime.fromisoformat(orjson.loads(raw)["started_at"])
    except (ValueError, TypeError, KeyError):
        return False
    return started_at.tzinfo is not None and started_at >= month.end
