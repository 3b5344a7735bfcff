"""Reading broker messages: every line ends as an event or as poison, and takes no neighbour with it."""

import uuid
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_billing import statements
from gateway_billing.end_user import EndUser
from gateway_billing.message import read_message, refused
from gateway_billing.received_event import EVENT_COLUMNS
from tests.unit.billing.usage_events import usage_event


def line(**changes: Any) -> bytes:
    return orjson.dumps(orjson.loads(usage_event().to_json()) | changes)


def test_a_message_of_several_lines_is_several_events() -> None:
    content = read_message(line(sequence=1) + b"\n" + line(sequence=2) + b"\n")
    assert [event.sequence for event in content.events] == [1, 2]
    assert content.poison == []


def test_a_row_has_the_columns_in_their_order() -> None:
    (event,) = read_message(line(started_at="2026-11-23T20:00:00.000001+01:00", stream=False)).events
    row = dict(zip(EVENT_COLUMNS, event.row, strict=True))
    assert row["event_id"] == event.event_id
    assert row["started_at"] == datetime(2026, 11, 23, 19, 0, 0, 1, UTC)
    assert row["stream"] is False
    assert row["input_tokens"] == 9
    assert row["schema_version"] == 2


def test_the_statement_takes_the_columns_in_the_same_order() -> None:
    statement = " ".join(statements.INSERT_EVENTS.split())
    assert statement.count(", ".join(EVENT_COLUMNS)) == 2


def test_a_bad_line_is_kept_as_it_came_beside_its_neighbours() -> None:
    bad = line(status="happy", sequence=2)
    content = read_message(b"\n".join([line(sequence=1), bad, line(sequence=3)]))
    assert [event.sequence for event in content.events] == [1, 3]
    assert [(one.raw, one.sequence, one.tenant_id) for one in content.poison] == [(bad, 2, "default")]


def test_an_end_users_name_is_beside_the_row_and_never_in_what_is_put_aside() -> None:
    named = {"end_user": "eu_1", "end_user_name": "bob@example.com"}
    lines = [line(**named), line(**named, status="happy"), line(**named, schema_version=99)]
    content = read_message(b"\n".join(lines))
    (event,) = content.events
    put_aside = [*content.poison, refused(event, "too large")]
    assert event.end_user == EndUser("default", "eu_1", "bob@example.com")
    assert "bob@example.com" not in event.row
    assert [orjson.loads(one.raw)["end_user"] for one in put_aside] == ["eu_1"] * 3
    assert not any(b"bob" in one.raw for one in put_aside)


@pytest.mark.parametrize(
    "of_one", [{"end_user_name": "bob"}, {"end_user": "eu_1"}, {"end_user": "", "end_user_name": "b"}]
)
def test_a_name_without_a_pseudonym_names_nobody(of_one: dict[str, str]) -> None:
    content = read_message(line(**of_one))
    assert ([event.end_user for event in content.events], content.poison) == ([None], [])


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"event_id": "chatcmpl-1"}, "not a UUID"),
        ({"event_id": str(uuid.uuid4())}, "not a UUIDv7"),
        ({"started_at": "2026-11-23T20:00:00"}, "no time zone"),
        ({"started_at": "yesterday"}, "not RFC 3339"),
        ({"started_at": "0001-01-01T00:00:00+00:00"}, "of no time"),
        ({"started_at": "9999-12-31T23:59:59.999999+00:00"}, "of no time"),
        ({"duration_us": 2**62}, "beyond the calendar"),
        ({"schema_version": 99}, "unknown schema_version 99"),
        ({"model_served": "a\0b"}, "model_served is not a text"),
    ],
)
def test_what_the_ledger_could_not_hold_is_poison_with_its_reason(changes: dict[str, Any], error: str) -> None:
    content = read_message(line(**changes))
    assert content.events == []
    assert error in content.poison[0].error


@pytest.mark.parametrize("body", [b"", b"\n", b"not json", b"[1]", b'{"tenant_id": 5, "sequence": -1}', b"\xff\xfe"])
def test_a_body_that_is_no_event_is_one_poison(body: bytes) -> None:
    content = read_message(body)
    assert (content.events, len(content.poison)) == ([], 1)
    (poison,) = content.poison
    assert (poison.raw, poison.tenant_id, poison.sequence) == (body, None, None)


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_no_line_is_lost_and_none_raises(lines: list[bytes]) -> None:
    body = b"\n".join(lines)
    content = read_message(body)
    whole = [part for part in body.split(b"\n") if part.strip()]
    assert len(content.events) + len(content.marks) + len(content.poison) == max(1, len(whole))
