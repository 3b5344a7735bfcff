"""The frame codec: whatever happens to the bytes, no record comes out that was not put in."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_router.journal.frame import MAX_PAYLOAD_BYTES, FrameInvalid, FrameKind, decode, encode

payloads = st.dictionaries(st.text(max_size=8), st.text(max_size=40), max_size=3).map(orjson.dumps)
records = st.lists(
    st.tuples(st.sampled_from(FrameKind), st.integers(min_value=0, max_value=2**64 - 1), payloads), max_size=8
)
Record = tuple[FrameKind, int, bytes]


def found(data: bytes) -> list[Record]:
    return [(frame.kind, frame.sequence, frame.payload) for frame in decode(data)]


@given(records)
def test_what_was_encoded_is_decoded(written: list[Record]) -> None:
    data = b"".join(encode(*record) for record in written)
    assert found(data) == written
    assert [frame.end for frame in decode(data, offset=1000)][-1:] == [1000 + len(data)] * bool(written)


@given(records, st.data())
def test_a_cut_loses_only_the_record_that_it_cuts(written: list[Record], data: st.DataObject) -> None:
    frames = [encode(*record) for record in written]
    whole = b"".join(frames)
    length = data.draw(st.integers(0, len(whole)))
    ends = [len(b"".join(frames[: count + 1])) for count in range(len(frames))]
    assert found(whole[:length]) == written[: sum(end <= length for end in ends)]


@given(records.filter(bool), st.data())
def test_flipped_bits_lose_only_the_records_that_they_hit(written: list[Record], data: st.DataObject) -> None:
    frames = [bytearray(encode(*record)) for record in written]
    hit = data.draw(st.sets(st.integers(0, len(frames) - 1), min_size=1))
    for index in hit:
        byte = data.draw(st.integers(0, len(frames[index]) - 1))
        frames[index][byte] ^= 1 << data.draw(st.integers(0, 7))
    assert found(b"".join(frames)) == [record for index, record in enumerate(written) if index not in hit]


@given(st.binary(max_size=400), records, st.binary(max_size=400))
def test_rubbish_around_records_is_passed_over(before: bytes, written: list[Record], after: bytes) -> None:
    data = before + b"".join(encode(*record) for record in written) + after
    assert found(data) == written


def test_a_payload_cannot_pass_for_a_record() -> None:
    inner = encode(FrameKind.SETTLE, 7, b"{}")
    with pytest.raises(FrameInvalid):
        encode(FrameKind.INTENT, 0, inner)


def test_a_payload_longer_than_a_reader_takes_is_refused() -> None:
    with pytest.raises(FrameInvalid):
        encode(FrameKind.INTENT, 0, b"x" * (MAX_PAYLOAD_BYTES + 1))
