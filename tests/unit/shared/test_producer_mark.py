from datetime import UTC, datetime

import orjson
import pytest

from gateway_shared.producer_mark import ProducerMark, ProducerMarkInvalid, is_producer_mark

MARK = ProducerMark(
    producer="router-1/20261123T233000-ab12cd34",
    sequence=120,
    closed=False,
    marked_at=datetime(2026, 11, 23, 23, 30, 0, 125000, tzinfo=UTC),
)
LINE = (
    b'{"producer_mark":1,"producer":"router-1/20261123T233000-ab12cd34",'
    b'"sequence":120,"closed":false,"marked_at":"2026-11-23T23:30:00.125000Z"}'
)


def test_a_mark_is_one_line_and_comes_back_as_it_was() -> None:
    assert MARK.to_json() == LINE
    assert ProducerMark.from_json(LINE) == MARK


def test_a_mark_is_told_from_an_event_by_its_first_member() -> None:
    assert is_producer_mark(LINE)
    assert not is_producer_mark(b'{"event_id":"...","producer_mark":1}')


def test_a_producer_that_ended_without_an_event_is_marked_too() -> None:
    row = {**orjson.loads(LINE), "sequence": 0, "closed": True}
    assert ProducerMark.from_json(orjson.dumps(row)).closed


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"producer_mark": 2}, "version 2"),
        ({"producer_mark": True}, "version True"),
        ({"producer": ""}, "producer"),
        ({"producer": "a\0b"}, "producer"),
        ({"producer": 5}, "producer"),
        ({"sequence": -1}, "sequence"),
        ({"sequence": 2**63}, "sequence"),
        ({"sequence": 1.0}, "sequence"),
        ({"sequence": True}, "sequence"),
        ({"closed": 1}, "closed"),
        ({"marked_at": "2026-11-23T23:30:00"}, "marked_at"),
        ({"marked_at": "2026-11-23T23:30:00+01:00"}, "marked_at"),
        ({"marked_at": "yesterday"}, "marked_at"),
        ({"marked_at": 5}, "marked_at"),
        ({"more": 1}, "more"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, object], says: str) -> None:
    with pytest.raises(ProducerMarkInvalid, match=says):
        ProducerMark.from_json(orjson.dumps({**orjson.loads(LINE), **change}))


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b'{"producer_mark":1}', LINE[:-1]])
def test_what_is_no_mark_is_refused(data: bytes) -> None:
    with pytest.raises(ProducerMarkInvalid):
        ProducerMark.from_json(data)
