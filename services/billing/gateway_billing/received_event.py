"""A usage event off the queue, as the row of the ledger that it becomes. Pure.

Nearly every event is plain: each member is there, of its type and in its range. That is told by a few comparisons
of whole tuples; any other takes the contract's own check, which is slower and says what is wrong. Both come to the
same answer.
"""

import re
import uuid
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from itertools import product
from operator import attrgetter, itemgetter
from types import NoneType
from typing import Any, get_args

import orjson

from gateway_billing.end_user import EndUser
from gateway_billing.rating import Usage
from gateway_shared.usage_event import (
    CLOSED_SETS,
    MAX_TOKENS,
    READABLE_VERSIONS,
    TokenCounts,
    UsageEvent,
    UsageEventInvalid,
)

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
"""Postgres would take the calendar's own ends for infinity, and one such row breaks every sum over time."""

_CONVERTED_COLUMNS = ("event_id", "started_at")
_OF_OTHER_TABLES = ("tokens", "end_user_name")
_TYPES = {one.name: one.type for one in fields(UsageEvent)}
_PLAIN_COLUMNS = tuple(name for name in _TYPES if name not in (*_CONVERTED_COLUMNS, *_OF_OTHER_TABLES))
_TOKEN_COLUMNS = tuple(one.name for one in fields(TokenCounts))
EVENT_COLUMNS = (*_CONVERTED_COLUMNS, *_PLAIN_COLUMNS, *_TOKEN_COLUMNS)
"""Columns of `billing.event` in the order of `ReceivedEvent.row`."""

_PLACES = {name: place for place, name in enumerate(EVENT_COLUMNS)}
_TENANT, _PRODUCER, _SEQUENCE = _PLACES["tenant_id"], _PLACES["producer"], _PLACES["sequence"]
_STARTED, _DURATION = _PLACES["started_at"], _PLACES["duration_us"]
_USAGE_SOURCE, _END_USER = _PLACES["usage_source"], _PLACES["end_user"]
_FIRST_TOKENS = len(EVENT_COLUMNS) - len(_TOKEN_COLUMNS)
*_USAGE_COLUMNS, _LAST_OF_USAGE = (one.name for one in fields(Usage))
assert _LAST_OF_USAGE == "tokens", "the others are taken from the row in their order"
_usage_values = itemgetter(*(_PLACES[name] for name in _USAGE_COLUMNS))


@dataclass(slots=True)
class ReceivedEvent:
    """A well-formed event: its raw line, its row in the order of EVENT_COLUMNS, and whom it names.

    A value, like UsageEvent, and for the same reason not `frozen`.
    """

    raw: bytes
    row: tuple[Any, ...]
    end_user: EndUser | None = None

    @property
    def event_id(self) -> str:
        """In lower case with hyphens, so that the order of the texts is the order of the ids."""
        return self.row[0]  # type: ignore[no-any-return]

    @property
    def tenant_id(self) -> str:
        return self.row[_TENANT]  # type: ignore[no-any-return]

    @property
    def producer(self) -> str:
        return self.row[_PRODUCER]  # type: ignore[no-any-return]

    @property
    def sequence(self) -> int:
        return self.row[_SEQUENCE]  # type: ignore[no-any-return]

    @property
    def usage_source(self) -> str:
        return self.row[_USAGE_SOURCE]  # type: ignore[no-any-return]

    @property
    def ended_at(self) -> datetime:
        return self.row[_STARTED] + timedelta(microseconds=self.row[_DURATION])  # type: ignore[no-any-return]

    @property
    def usage(self) -> Usage:
        """What decides its amounts."""
        tokens = TokenCounts(*self.row[_FIRST_TOKENS:])
        return Usage(*(*_usage_values(self.row), tokens))


def read_event(line: bytes) -> ReceivedEvent:
    """Raises UsageEventInvalid."""
    return _read_plain(line) or _read_carefully(line)


_members = itemgetter(*_CONVERTED_COLUMNS, *_PLAIN_COLUMNS)
_token_members = itemgetter(*_TOKEN_COLUMNS)
_number_members = itemgetter(
    "attempt", "sequence", "client_retry_count", "duration_us", "http_status", "schema_version"
)
_closed_members = itemgetter(*CLOSED_SETS)
_MEMBER_COUNT = len(_TYPES)
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_MAX_PLAIN_NUMBER = 2**50
"""Far below where any number is refused; what exceeds it is looked at carefully."""


def _types_of(name: str) -> tuple[type, ...]:
    if _TYPES[name] in (str, int, bool):
        return (_TYPES[name],)  # type: ignore[return-value]
    optional = get_args(_TYPES[name])
    return (optional[0], NoneType) if NoneType in optional else (str,)  # a closed set is of texts


_MEMBER_TYPES = frozenset(product(*map(_types_of, (*_CONVERTED_COLUMNS, *_PLAIN_COLUMNS))))
_TOKEN_TYPES = (int,) * len(_TOKEN_COLUMNS)
_CLOSED_VALUES = frozenset(product(*CLOSED_SETS.values()))


def _read_plain(line: bytes) -> ReceivedEvent | None:
    """None where it takes a careful look."""
    try:
        content = orjson.loads(line)
        members, tokens, name = _members(content), content["tokens"], content["end_user_name"]
        counts = _token_members(tokens)
        started_at = datetime.fromisoformat(members[1])
    except (ValueError, TypeError, KeyError):
        return None
    numbers = _number_members(content)
    first_token_us = content["time_to_first_token_us"]
    is_plain = (
        len(content) == _MEMBER_COUNT
        and len(tokens) == len(counts)
        and tuple(map(type, members)) in _MEMBER_TYPES
        and tuple(map(type, counts)) == _TOKEN_TYPES
        and (name is None or type(name) is str)
        and _closed_members(content) in _CLOSED_VALUES
        and min(numbers) >= 0
        and max(numbers) <= _MAX_PLAIN_NUMBER
        and numbers[0] > 0
        and numbers[1] > 0
        and numbers[-1] in READABLE_VERSIONS
        and (first_token_us is None or 0 <= first_token_us <= _MAX_PLAIN_NUMBER)
        and min(counts) >= 0
        and max(counts) <= MAX_TOKENS
        and _UUID7.fullmatch(members[0]) is not None
        and started_at.tzinfo is UTC
        and EARLIEST <= started_at < LATEST
        and b"\\u0000" not in line
    )
    if not is_plain:
        return None
    row = (members[0], started_at, *members[2:], *counts)
    return ReceivedEvent(line, row, _named(row, name) if name else None)


_plain_values = attrgetter(*_PLAIN_COLUMNS)
_token_values = attrgetter(*_TOKEN_COLUMNS)


def _read_carefully(line: bytes) -> ReceivedEvent:
    event = UsageEvent.from_json(line)
    started_at = _moment(event.started_at)
    _check_end(started_at, event.duration_us)
    row = (_event_id(event.event_id), started_at, *_plain_values(event), *_token_values(event.tokens))
    return ReceivedEvent(line, row, _named(row, event.end_user_name))


def _named(row: tuple[Any, ...], name: str | None) -> EndUser | None:
    pseudonym = row[_END_USER]
    return EndUser(row[_TENANT], pseudonym, name) if pseudonym and name else None


def _event_id(text: str) -> str:
    try:
        event_id = uuid.UUID(text)
    except ValueError as error:
        raise UsageEventInvalid(f"event_id {text!r} is not a UUID") from error
    if event_id.version != 7:
        raise UsageEventInvalid(f"event_id {text!r} is not a UUIDv7")
    return str(event_id)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageEventInvalid(f"started_at {text!r} is not RFC 3339") from error
    if moment.tzinfo is None:
        raise UsageEventInvalid(f"started_at {text!r} has no time zone")
    if not EARLIEST <= moment < LATEST:
        raise UsageEventInvalid(f"started_at {text!r} is of no time in which this gateway ran")
    return moment.astimezone(UTC)


def _check_end(started_at: datetime, duration_us: int) -> None:
    try:
        started_at + timedelta(microseconds=duration_us)
    except OverflowError as error:
        raise UsageEventInvalid(f"duration_us {duration_us} ends beyond the calendar") from error
