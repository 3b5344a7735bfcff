"""How an event leaves quarantine: into the ledger, as it is or edited, or dismissed with a reason. Once, and recorded.

The event is recorded first (a second time adds nothing), its resolution behind it, one entry at a
time under a lock: whatever is interrupted can simply be done again.
"""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import orjson

from gateway_billing import statements
from gateway_billing.book_keeper import BookKeeper
from gateway_billing.database import Connection, Pool, borrowed
from gateway_billing.end_user import without_name
from gateway_billing.ledger import Ledger
from gateway_billing.message import MessageContent
from gateway_billing.received_event import ReceivedEvent, read_event
from gateway_shared.usage_event import UsageEventInvalid

_TIMEOUT_S = 30.0
_LOCK_KEY = 0x7175_6172  # one resolver at a time


class NotResolved(Exception):
    """The entry stays in quarantine; the text says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line that could not be read or stored. `resolution` is None while it is open."""

    raw_sha256: str
    raw: bytes
    error: str
    tenant_id: str | None
    producer: str | None
    sequence: int | None
    received_at: datetime
    resolution: str | None


async def entries(pool: Pool, *, with_resolved: bool = False, sha256_prefix: str = "") -> list[Entry]:
    """Oldest first."""
    async with borrowed(pool, timeout_s=_TIMEOUT_S) as connection:
        rows = await connection.fetch(statements.SELECT_QUARANTINE, with_resolved, sha256_prefix)
    return [Entry(**row) for row in rows]


async def entry(pool: Pool, sha256_prefix: str) -> Entry:
    """Raises NotResolved unless exactly one entry begins so."""
    found = await entries(pool, with_resolved=True, sha256_prefix=sha256_prefix)
    if len(found) != 1:
        raise NotResolved(f"{sha256_prefix}: {len(found) or 'no'} entries begin so")
    return found[0]


async def resubmit(pool: Pool, keeper: BookKeeper, item: Entry, *, edited: bytes | None = None, note: str) -> uuid.UUID:
    """Records the entry's event, read anew, or the edited one in its place; returns its event_id.

    Raises NotResolved.
    """
    try:
        event = read_event(item.raw if edited is None else edited.strip())
    except UsageEventInvalid as error:
        raise NotResolved(str(error)) from error
    if edited is not None:
        _check_same_event(item, event)
    async with _alone(pool, item) as connection:
        event_id = uuid.UUID(event.event_id)
        holder = await connection.fetchval(statements.SELECT_HOLDER, event.producer, event.sequence)
        if holder not in (None, event_id):
            raise NotResolved(f"the ledger holds it already, as event {holder}: dismiss it")
        recorded = await Ledger(pool).record(MessageContent(events=[event]), keeper)
        if recorded.quarantined:
            raise NotResolved("the database refuses it as well")
        resolution, kept = ("resubmitted", None) if edited is None else ("edited", without_name(edited))
        await connection.execute(
            statements.INSERT_QUARANTINE_RESOLUTION, item.raw_sha256, resolution, event_id, kept, note
        )
    return event_id


async def dismiss(pool: Pool, item: Entry, *, note: str) -> None:
    """For what is no event, or is one that the ledger has already. Raises NotResolved."""
    async with _alone(pool, item) as connection:
        await connection.execute(
            statements.INSERT_QUARANTINE_RESOLUTION, item.raw_sha256, "dismissed", None, None, note
        )


@asynccontextmanager
async def _alone(pool: Pool, item: Entry) -> AsyncIterator[Connection]:
    """A transaction in which nobody else resolves anything. Raises NotResolved when somebody did."""
    async with borrowed(pool, timeout_s=_TIMEOUT_S) as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK_KEY)
        resolution = await connection.fetchval(statements.SELECT_RESOLUTION, item.raw_sha256)
        if resolution is not None:
            raise NotResolved(f"it is {resolution} already")
        yield connection


def _check_same_event(item: Entry, edited: ReceivedEvent) -> None:
    """An edit mends an event, it does not make another one: what identified it stays. Raises NotResolved."""
    for name, was, now in (
        ("producer", item.producer, edited.producer),
        ("sequence", item.sequence, edited.sequence),
        ("event_id", _event_id(item.raw), uuid.UUID(edited.event_id)),
    ):
        if was is not None and was != now:
            raise NotResolved(f"{name} was {was} and cannot become {now}")


def _event_id(raw: bytes) -> uuid.UUID | None:
    """The entry's own, where it had one that the ledger would take."""
    try:
        event_id = uuid.UUID(orjson.loads(raw)["event_id"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        return None
    return event_id if event_id.version == 7 else None
