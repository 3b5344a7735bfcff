import itertools
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_shared.hop_frames import (
    CANCEL,
    DATA,
    DRAIN,
    END,
    HEAD,
    MAX_HEAD_BYTES,
    MAX_PAYLOAD_BYTES,
    OPEN,
    PING,
    PONG,
    REFUSE,
    WINDOW,
    Frame,
    FrameInvalid,
    FrameReader,
    credit_of,
    head_prefix,
    header_of,
    read_credit,
)

ids = st.integers(0, 2**32 - 1)
headed = st.builds(
    Frame, ids, st.sampled_from([OPEN, HEAD]), st.booleans(), st.binary(max_size=50), st.binary(max_size=50)
)
data = st.builds(Frame, ids, st.just(DATA), st.booleans(), st.none(), st.binary(max_size=200))
control = st.builds(
    Frame, ids, st.sampled_from([CANCEL, PING, PONG, DRAIN, REFUSE]), st.just(False), st.none(), st.just(b"")
)
window = st.builds(Frame, ids, st.just(WINDOW), st.just(False), st.none(), st.binary(min_size=4, max_size=4))
frames = st.lists(headed | data | control | window, max_size=20)


def written(frame: Frame) -> bytes:
    prefix = b"" if frame.head is None else head_prefix(frame.head)
    kind = frame.kind | END if frame.ends else frame.kind
    return header_of(frame.stream_id, kind, len(prefix) + len(frame.body)) + prefix + frame.body


@given(sent=frames, seed=st.lists(st.integers(0, 4000), max_size=30))
def test_frames_are_read_as_they_were_written_wherever_reads_fall(sent: list[Frame], seed: list[int]) -> None:
    wire = b"".join(written(frame) for frame in sent)
    edges = [0, *sorted(min(cut, len(wire)) for cut in seed), len(wire)]
    reader = FrameReader()
    assert [frame for start, end in itertools.pairwise(edges) for frame in reader.feed(wire[start:end])] == sent


@given(pieces=st.lists(st.binary(max_size=64), max_size=30))
def test_any_bytes_are_frames_or_refused_by_name(pieces: list[bytes]) -> None:
    reader = FrameReader()
    with suppress(FrameInvalid):
        for piece in pieces:
            for frame in reader.feed(piece):
                assert frame.kind in (OPEN, HEAD, DATA, WINDOW, CANCEL, PING, PONG, DRAIN, REFUSE)


@given(sent=frames.filter(bool), position=st.integers(0, 2**16), bit=st.integers(0, 7))
def test_a_flipped_bit_never_raises_anything_undeclared(sent: list[Frame], position: int, bit: int) -> None:
    wire = bytearray(b"".join(written(frame) for frame in sent))
    wire[position % len(wire)] ^= 1 << bit
    with suppress(FrameInvalid):
        list(FrameReader().feed(bytes(wire)))


def test_a_frame_beyond_the_limit_is_refused_before_it_has_come() -> None:
    with pytest.raises(FrameInvalid):
        list(FrameReader().feed(header_of(1, DATA, MAX_PAYLOAD_BYTES + 1)))


def test_a_head_beyond_the_limit_is_not_sent() -> None:
    with pytest.raises(FrameInvalid):
        head_prefix(b"x" * (MAX_HEAD_BYTES + 1))


@given(count=st.integers(0, 2**32 - 1))
def test_credit_is_read_as_it_was_written(count: int) -> None:
    assert read_credit(Frame(1, WINDOW, False, None, credit_of(count))) == count
