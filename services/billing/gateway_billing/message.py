"""From a broker message to events ready for the ledger, each bad one apart from its neighbours. Pure.

A body is NDJSON. What cannot be read is kept as the bytes of its line, with the reason and whatever
ids could be made out, so that the ledger's account of a producer stays complete; an end user's name is
left out of it, or an erasure would have to change what is kept.
"""

import uuid
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from operator import attrgetter

import orjson

from gateway_billing.end_user import EndUser, without_name
from gateway_billing.rating import Usage
from gateway_shared.usage_event import TokenCounts, UsageEvent, UsageEventInvalid

_CONVERTED_COLUMNS = ("event_id", "started_at")
_OF_OTHER_TABLES = ("tokens", "end_user_name")
_PLAIN_COLUMNS = tuple(
    field.name for field in fields(UsageEvent) if field.name not in (*_CONVERTED_COLUMNS, *_OF_OTHER_TABLES)
)
_TOKEN_COLUMNS = tuple(field.name for field in fields(TokenCounts))
EVENT_COLUMNS = (*_CONVERTED_COLUMNS, *_PLAIN_COLUMNS, *_TOKEN_COLUMNS)
"""Columns of `billing.event` in the order of `ReceivedEvent.row`."""

_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
"""Postgres would take the calendar's own ends for infinity, and one such row breaks every sum over time."""

_plain_values = attrgetter(*_PLAIN_COLUMNS)
_token_values = attrgetter(*_TOKEN_COLUMNS)


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """A well-formed event: its raw line, the row it becomes, what decides its cost, and whom it names."""

    raw: bytes
    event_id: uuid.UUID
    tenant_id: str
    producer: str
    sequence: int
    ended_at: datetime
    row: tuple[object, ...]
    usage: Usage
    end_user: EndUser | None = None


@dataclass(frozen=True, slots=True)
class PoisonEvent:
    """A line that is no event, or one that the ledger refused."""

    raw: bytes
    error: str
    tenant_id: str | None = None
    producer: str | None = None
    sequence: int | None = None


def read_message(body: bytes) -> tuple[list[ReceivedEvent], list[PoisonEvent]]:
    """Every line of the body is in exactly one of the two lists; an empty body is one poison event."""
    events: list[ReceivedEvent] = []
    poison: list[PoisonEvent] = []
    lines = [line for line in body.split(b"\n") if line.strip()]
    for line in lines or [body]:
        try:
            events.append(read_event(line))
        except UsageEventInvalid as error:
            poison.append(_poison(line, str(error)))
    return events, poison


def read_event(line: bytes) -> ReceivedEvent:
    """Raises UsageEventInvalid."""
    event = UsageEvent.from_json(line)
    event_id = _event_id(event.event_id)
    started_at = _moment(event.started_at)
    ended_at = _end(started_at, event.duration_us)
    row = (event_id, started_at, *_plain_values(event), *_token_values(event.tokens))
    usage = Usage(
        price_provider=event.price_provider,
        model_served=event.model_served,
        model_upstream=event.model_upstream,
        service_tier=event.service_tier,
        started_at=started_at,
        usage_source=event.usage_source,
        tokens=event.tokens,
    )
    end_user = None
    if event.end_user and event.end_user_name:
        end_user = EndUser(event.tenant_id, event.end_user, event.end_user_name)
    return ReceivedEvent(
        line, event_id, event.tenant_id, event.producer, event.sequence, ended_at, row, usage, end_user
    )


def refused(event: ReceivedEvent, error: str) -> PoisonEvent:
    """A well-formed event that the database would not take."""
    return PoisonEvent(without_name(event.raw), error, event.tenant_id, event.producer, event.sequence)


def _event_id(text: str) -> uuid.UUID:
    try:
        event_id = uuid.UUID(text)
    except ValueError as error:
        raise UsageEventInvalid(f"event_id {text!r} is not a UUID") from error
    if event_id.version != 7:
        raise UsageEventInvalid(f"event_id {text!r} is not a UUIDv7")
    return event_id


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageEventInvalid(f"started_at {text!r} is not RFC 3339") from error
    if moment.tzinfo is None:
        raise UsageEventInvalid(f"started_at {text!r} has no time zone")
    if not _EARLIEST <= moment < _LATEST:
        raise UsageEventInvalid(f"started_at {text!r} is of no time in which this gateway ran")
    return moment.astimezone(UTC)


def _end(started_at: datetime, duration_us: int) -> datetime:
    try:
        return started_at + timedelta(microseconds=duration_us)
    except OverflowError as error:
        raise UsageEventInvalid(f"duration_us {duration_us} ends beyond the calendar") from error


def _poison(line: bytes, error: str) -> PoisonEvent:
    """Keeps the ids where the line is at least a JSON object."""
    try:
        content = orjson.loads(line)
    except orjson.JSONDecodeError:
        return PoisonEvent(line, error)
    if not isinstance(content, dict):
        return PoisonEvent(line, error)
    line = without_name(line)
    sequence = content.get("sequence")
    is_number = type(sequence) is int and 1 <= sequence < 2**63
    return PoisonEvent(
        line,
        error,
        _text_or_none(content.get("tenant_id")),
        _text_or_none(content.get("producer")),
        sequence if is_number else None,
    )


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and "\0" not in value else None
