"""From a broker message to events ready for the ledger, each bad one apart from its neighbours. Pure.

A body is NDJSON: usage events, and producers' marks among them. What cannot be read is kept as the
bytes of its line, with the reason and whatever ids could be made out, so that the ledger's account
of a producer stays complete; an end user's name is left out of it, or an erasure would have to change
what is kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson

from gateway_billing.end_user import without_name
from gateway_billing.received_event import EARLIEST, LATEST, ReceivedEvent, read_event
from gateway_shared.producer_mark import ProducerMark, ProducerMarkInvalid, is_producer_mark
from gateway_shared.usage_event import UsageEventInvalid


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
    if not EARLIEST <= mark.marked_at < LATEST:
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


def refused(event: ReceivedEvent, error: str) -> PoisonEvent:
    """A well-formed event that the database would not take."""
    return PoisonEvent(without_name(event.raw), error, event.tenant_id, event.producer, event.sequence)


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
