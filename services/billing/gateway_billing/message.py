"""From a broker message to events ready for the ledger, each bad one apart from its neighbours. Pure.

A body is NDJSON: usage events, and producers' marks among them. What cannot be read is kept as the
bytes of its line, with the reason and whatever ids could be made out, so that the ledger's account
of a producer stays complete; an end user's name is left out of it, or an erasure would have to change
what is kept.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from operator import attrgetter

import orjson

from gateway_billing.end_user import EndUser, without_name
from gateway_billing.rating import Usage
from gateway_shared.producer_mark import ProducerMark, ProducerMarkInvalid, is_producer_mark
from gateway_shared.usage_event import TokenCounts, UsageEvent, UsageEventInvalid

_CONVERTED_COLUMNS = ("event_id", "started_at")
_OF_OTHER_TABLES = ("tokens", "end_user_name")
_PLAIN_COLUMNS = tuple(
    one.name for one in fields(UsageEvent) if one.name not in (*_CONVERTED_COLUMNS, *_OF_OTHER_TABLES)
)
_TOKEN_COLUMNS = tuple(one.name for one in fields(TokenCounts))
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


@dataclass(frozen=True, slots=True)
class MessageContent:
    """Every line of a message, or of several, in exactly one of the lists."""

    events: list[ReceivedEvent] = field(default_factory=list)
    marks: list[ProducerMark] = field(default_factory=list)
    poison: list[PoisonEvent] = field(default_factory=list)

    def add(self, other: "MessageContent") -> None:
        self.events.extend(other.events)
        self.marks.extend(other.marks)
        self.poison.extend(other.poison)


def read_message(body: bytes) -> MessageContent:
    """An empty body is one poison event."""
    content = MessageContent()
    lines = [line for line in body.split(b"\n") if line.strip()]
    for line in lines or [body]:
        try:
            if is_producer_mark(line):
                content.marks.append(read_mark(line))
            else:
                content.events.append(read_event(line))
        except (UsageEventInvalid, ProducerMarkInvalid) as error:
            content.poison.append(_poison(line, str(error)))
    return content


def read_mark(line: bytes) -> ProducerMark:
    """Raises ProducerMarkInvalid."""
    mark = ProducerMark.from_json(line)
    if not _EARLIEST <= mark.marked_at < _LATEST:
        raise ProducerMarkInvalid("marked_at is of no time in which this gateway ran")
    return mark


def newest_marks(marks: Iterable[ProducerMark]) -> list[ProducerMark]:
    """One for each producer, in their order, which keeps several consumers from a deadlock."""
    newest: dict[str, ProducerMark] = {}
    for mark in marks:
        known = newest.setdefault(mark.producer, mark)
        newest[mark.producer] = ProducerMark(
            producer=mark.producer,
            sequence=max(known.sequence, mark.sequence),
            closed=known.closed or mark.closed,
            marked_at=max(known.marked_at, mark.marked_at),
        )
    return [newest[producer] for producer in sorted(newest)]


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
    """Keeps the ids where the line is at least a JSON object. A mark's sequence is no event's, and is not kept."""
    try:
        content = orjson.loads(line)
    except orjson.JSONDecodeError:
        return PoisonEvent(line, error)
    if not isinstance(content, dict):
        return PoisonEvent(line, error)
    line = without_name(line)
    sequence = content.get("sequence")
    is_number = type(sequence) is int and 1 <= sequence < 2**63 and "producer_mark" not in content
    return PoisonEvent(
        line,
        error,
        _text_or_none(content.get("tenant_id")),
        _text_or_none(content.get("producer")),
        sequence if is_number else None,
    )


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and "\0" not in value else None
