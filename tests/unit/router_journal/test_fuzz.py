"""Damaged journals: nothing raises, nothing is invented, what is whole is found, every call ends once."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_router.adoption import Adoption
from gateway_router.journal import Journal
from gateway_router.journal.folder import JournalFolder
from gateway_router.journal.frame import Frame, FrameKind, decode, encode
from gateway_router.journal.segment import list_segments
from tests.unit.router_journal.events import checkpoint, intent, settled
from tests.unit.router_journal.reading import read_frames

CALLS = 60
SEGMENT_BYTES = 20_000


@dataclass(frozen=True)
class Damage:
    """`data` is a segment afterwards; bytes outside `first` to `last` of the original are all still there, in order."""

    data: bytes
    first: int
    last: int


def flip_bits(data: bytes, draw: random.Random) -> Damage:
    at = draw.randrange(len(data))
    changed = bytearray(data)
    changed[at] ^= 1 << draw.randrange(8)
    return Damage(bytes(changed), at, at + 1)


def cut_the_end(data: bytes, draw: random.Random) -> Damage:
    at = draw.randrange(len(data))
    return Damage(data[:at], at, len(data))


def cut_a_piece_out(data: bytes, draw: random.Random) -> Damage:
    first = draw.randrange(len(data))
    last = draw.randrange(first, len(data) + 1)
    return Damage(data[:first] + data[last:], first, last)


def blank_a_block(data: bytes, draw: random.Random) -> Damage:
    """As a disk that lost power may leave it."""
    first = draw.randrange(len(data)) // 512 * 512
    last = min(len(data), first + draw.choice([512, 4096]))
    return Damage(data[:first] + bytes(last - first) + data[last:], first, last)


def repeat_a_block(data: bytes, draw: random.Random) -> Damage:
    first = draw.randrange(len(data))
    last = draw.randrange(first, len(data) + 1)
    at = draw.randrange(len(data) + 1)
    return Damage(data[:at] + data[first:last] + data[at:], at, at)


def splice_noise_in(data: bytes, draw: random.Random) -> Damage:
    at = draw.randrange(len(data) + 1)
    noise = draw.choice([draw.randbytes(draw.randrange(1, 3000)), b"\x1e" * draw.randrange(1, 100), data[:19]])
    return Damage(data[:at] + noise + data[at:], at, at)


DAMAGES: list[Callable[[bytes, random.Random], Damage]] = [
    flip_bits,
    cut_the_end,
    cut_a_piece_out,
    blank_a_block,
    repeat_a_block,
    splice_noise_in,
]


async def journal_of_a_dead_process(journal_dir: Path, draw: random.Random) -> Path:
    """CALLS of them over several segments, some settled, some with checkpoints, in any order."""
    journal = Journal(JournalFolder.create(journal_dir, instance="r1", boot="b1"), segment_bytes=SEGMENT_BYTES)
    waiting: list[str] = []
    for number in range(CALLS):
        journal.intent(intent(f"e{number}"))
        waiting.append(f"e{number}")
        if draw.random() < 0.2:
            journal.checkpoint(checkpoint(draw.choice(waiting), number))
        while waiting and draw.random() < 0.5:
            event_id = waiting.pop(draw.randrange(len(waiting)))
            journal.settle(lambda producer, sequence, event_id=event_id: settled(event_id, producer, sequence))  # type: ignore[misc]
    await journal.close()
    journal.folder.release()
    return journal.folder.path


def untouched(frames: list[Frame], damage: Damage) -> list[tuple[FrameKind, int, bytes]]:
    """The frames of a segment that the damage left whole and in their place."""
    whole = []
    start = 0
    for frame in frames:
        if frame.end <= damage.first or start >= damage.last:
            whole.append((frame.kind, frame.sequence, frame.payload))
        start = frame.end
    return whole


def seen(frames: list[Frame]) -> list[tuple[FrameKind, int, bytes]]:
    return [(frame.kind, frame.sequence, frame.payload) for frame in frames]


@pytest.mark.parametrize("damaged", DAMAGES)
@pytest.mark.parametrize("seed", range(25))
async def test_a_damaged_journal_gives_all_that_is_whole_and_each_call_ends_once(
    tmp_path: Path, damaged: Callable[[bytes, random.Random], Damage], seed: int
) -> None:
    draw = random.Random(seed)
    path = await journal_of_a_dead_process(tmp_path, draw)
    segment = draw.choice(list_segments(path))
    written = read_frames(path)
    in_segment = read_frames(path, only=segment.number)
    damage = damaged(segment.path.read_bytes(), draw)
    segment.path.write_bytes(damage.data)

    found = read_frames(path)
    assert set(seen(found)) <= set(seen(written)), "nothing is invented"
    whole = untouched(in_segment, damage)
    assert set(seen(written)) - set(seen(in_segment)) | set(whole) <= set(seen(found)), "nothing whole is passed over"

    (publication,) = Adoption(tmp_path).adopt()
    publication.close()
    publication.folder.release()
    after = read_frames(path)
    assert set(seen(found)) <= set(seen(after)), "recovery takes nothing away"
    terminal = {(orjson.loads(frame.payload)["event_id"], frame.sequence) for frame in after if frame.sequence}
    heard_of = {orjson.loads(frame.payload)["event_id"] for frame in found}
    assert {event_id for event_id, _ in terminal} == heard_of, "every call that is heard of has ended"
    assert len(terminal) == len(heard_of), "once"
    sequences = [sequence for _, sequence in terminal]
    assert len(sequences) == len(set(sequences)), "no number is used for two calls"
    last = publication.extent().last_sequence
    lost = {frame.sequence for frame in written if frame.sequence} - set(sequences)
    assert set(sequences) == set(range(1, last + 1)) - lost, "no gap but where a call is lost whole"
    calls_lost = CALLS - len(heard_of)
    assert len(lost) <= calls_lost


@given(st.binary(max_size=2000), st.binary(max_size=2000))
def test_a_frame_is_found_in_any_surroundings(before: bytes, after: bytes) -> None:
    frame = encode(FrameKind.SETTLE, 7, b'{"event_id":"a"}')
    payloads = [found.payload for found in decode(before + frame + after)]
    assert b'{"event_id":"a"}' in payloads


@given(st.binary(max_size=4000))
def test_noise_is_no_record(noise: bytes) -> None:
    assert list(decode(noise)) == []
