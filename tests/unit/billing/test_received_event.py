"""Reading an event: the short way for what is plain comes to what the contract's own check comes to."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_billing import received_event
from gateway_billing.received_event import ReceivedEvent, read_event
from gateway_shared.usage_event import CLOSED_SETS, UsageEventInvalid
from tests.unit.billing.usage_events import usage_event

PLAIN: dict[str, Any] = orjson.loads(usage_event().to_json())
ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, -1, 2**31, 2**50, 2**50 + 1, 2**53 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1, 1.0, 0.5]),
    st.sampled_from(
        ["", "a", "a\0b", "2026-11-23T20:00:00Z", "2026-11-23T20:00:00+02:00", "2026-11-23", "1999-12-31T23:59:59Z"]
    ),
    st.sampled_from([value for values in CLOSED_SETS.values() for value in values]),
    st.sampled_from([PLAIN["event_id"].upper(), PLAIN["event_id"].replace("-", ""), "0" * 36]),
    st.sampled_from([[], {}, {"input_tokens": 1}]),
)


def carefully(line: bytes) -> ReceivedEvent | str:
    try:
        return received_event._read_carefully(line)
    except UsageEventInvalid as error:
        return str(error)


def read(line: bytes) -> ReceivedEvent | str:
    try:
        return read_event(line)
    except UsageEventInvalid as error:
        return str(error)


def test_an_event_as_the_router_writes_it_is_plain() -> None:
    for changes in ({}, {"end_user": "eu_1", "end_user_name": "bob"}, {"time_to_first_token_us": None}):
        line = usage_event(**changes).to_json()
        assert received_event._read_plain(line) == carefully(line)


def test_an_event_of_the_first_version_is_read_too() -> None:
    line = orjson.dumps(
        {name: value for name, value in PLAIN.items() if name != "end_user_name"} | {"schema_version": 1}
    )
    assert read_event(line).row[-9] == 1


@given(st.dictionaries(st.sampled_from([*PLAIN, "surprise"]), ODD_VALUES, max_size=3), st.sampled_from([*PLAIN, None]))
def test_both_ways_come_to_the_same(changes: dict[str, Any], left_out: str | None) -> None:
    line = orjson.dumps({name: value for name, value in (PLAIN | changes).items() if name != left_out})
    assert read(line) == carefully(line)


@given(st.sampled_from([*PLAIN["tokens"], "surprise"]), ODD_VALUES, st.sampled_from([*PLAIN["tokens"], None]))
def test_both_ways_come_to_the_same_for_tokens(name: str, value: object, left_out: str | None) -> None:
    tokens = {key: count for key, count in (PLAIN["tokens"] | {name: value}).items() if key != left_out}
    line = orjson.dumps(PLAIN | {"tokens": tokens})
    assert read(line) == carefully(line)


@pytest.mark.parametrize("line", [b"", b"[]", b"null", b"{}", b'{"tokens": null}', b"\xff", b'"text"'])
def test_what_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises(UsageEventInvalid):
        read_event(line)
