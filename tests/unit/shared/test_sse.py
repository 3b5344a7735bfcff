import itertools
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_shared.sse import EventSplitter, EventTooLong, data_of, data_of_lines, write_data

STREAM = b'data: {"a":1}\n\n: keep-alive\n\nevent: x\r\ndata: b\r\n\r\ndata: [DONE]\n\n'
EVENTS = [b'data: {"a":1}\n\n', b": keep-alive\n\n", b"event: x\r\ndata: b\r\n\r\n", b"data: [DONE]\n\n"]


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=len(STREAM)))
def test_events_are_the_same_wherever_the_stream_is_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    splitter = EventSplitter()
    events = [event for start, end in itertools.pairwise(edges) for event in splitter.feed(STREAM[start:end])]
    assert events == EVENTS
    assert splitter.flush() == b""


@given(data=st.lists(st.binary(max_size=40), max_size=20))
def test_no_byte_is_lost_or_made_up(data: list[bytes]) -> None:
    splitter = EventSplitter()
    out = b"".join(event for piece in data for event in splitter.feed(piece)) + splitter.flush()
    assert out == b"".join(data)


@given(
    stream=st.lists(st.sampled_from([b"x", b"\n", b"\n\n", b"\r", b"\r\n", b"data: y"]), max_size=16).map(b"".join),
    cuts=st.lists(st.integers(0, 60), max_size=6),
)
def test_events_end_where_the_first_empty_line_does_whatever_its_ending(stream: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    splitter = EventSplitter()
    pieces = [stream[start:end] for start, end in itertools.pairwise(edges)]
    events = [event for piece in pieces for event in splitter.feed(piece)]
    ends = [found.end() for found in re.finditer(rb"\r\n\r\n|\n\n|\r\r", stream)]
    assert events == [stream[start:end] for start, end in itertools.pairwise([0, *ends])]


def test_an_event_without_end_is_refused_at_the_limit() -> None:
    splitter = EventSplitter(max_event_bytes=100)
    splitter.feed(b"data: " + b"x" * 90)
    with pytest.raises(EventTooLong):
        splitter.feed(b"x" * 10)


def test_an_event_that_comes_in_very_many_reads_costs_no_more_than_its_bytes() -> None:
    splitter = EventSplitter()
    began_s = time.process_time()
    for _ in range(80_000):
        assert splitter.feed(b"x" * 100) == []
    assert time.process_time() - began_s < 5  # minutes, where each read copies what there is
    [event] = splitter.feed(b"\n\n")
    assert len(event) == 8_000_002


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: a\n\n", b"a"),
        (b"data:a\n\n", b"a"),
        (b"data:  a\n\n", b" a"),
        (b"event: x\ndata: a\ndata: b\n\n", b"a\nb"),
        (b": comment\n\n", None),
        (b"data\n\n", b""),
    ],
)
def test_data_lines_are_read_as_the_standard_says(event: bytes, data: bytes | None) -> None:
    assert data_of(event) == data


def test_what_is_written_is_read_back() -> None:
    assert data_of(write_data(b'{"a":1}')) == b'{"a":1}'


@given(st.lists(st.sampled_from([b"data: ", b"data:", b"x", b"\n", b"\r", b": ", b"event", b" "]), max_size=12))
def test_an_event_on_one_line_reads_as_it_does_by_lines(pieces: list[bytes]) -> None:
    event = b"".join(pieces)
    assert data_of(event + b"\n\n") == data_of_lines(event + b"\n\n")
