"""Producers' marks among the events of a message."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from gateway_billing.message import newest_marks, read_message
from gateway_shared.producer_mark import ProducerMark
from tests.unit.billing.usage_events import usage_event

AT = datetime(2026, 11, 23, 20, tzinfo=UTC)
MARK = ProducerMark(producer="router-1/boot-1", sequence=7, closed=False, marked_at=AT)


def test_a_mark_travels_among_events() -> None:
    content = read_message(b"\n".join([usage_event().to_json(), MARK.to_json(), usage_event().to_json()]))
    assert (len(content.events), content.marks, content.poison) == (2, [MARK], [])


@pytest.mark.parametrize(
    "changes",
    [
        {"producer_mark": 2},
        {"sequence": -1},
        {"closed": 1},
        {"marked_at": "9999-12-31T23:59:59Z"},
        {"producer": "a\0b"},
    ],
)
def test_a_mark_that_is_not_understood_is_kept_whole_and_stands_for_no_event(changes: dict[str, object]) -> None:
    raw = orjson.dumps(orjson.loads(MARK.to_json()) | changes)
    content = read_message(raw)
    (poison,) = content.poison
    assert (content.events, content.marks, poison.raw, poison.sequence) == ([], [], raw, None)


def test_a_mark_written_with_other_spaces_stands_for_no_event_either() -> None:
    raw = MARK.to_json().replace(b":", b": ")
    (poison,) = read_message(raw).poison
    assert poison.sequence is None


def test_of_several_marks_the_greatest_counts_and_closed_stays_closed() -> None:
    later = replace(MARK, sequence=9, marked_at=AT + timedelta(seconds=5))
    closed = replace(MARK, sequence=8, closed=True)
    other = replace(MARK, producer="router-0/boot-1")
    for marks in ([later, closed, MARK, other], [other, MARK, closed, later]):
        assert newest_marks(marks) == [other, replace(later, closed=True)]
