"""A look at journals from outside, of living processes too: read-only, and without taking a lock for long. Blocking."""

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway_router.journal.cursor import Cursor
from gateway_router.journal.folder import LOCK, boot_folders
from gateway_router.journal.frame import Frame, FrameKind
from gateway_router.journal.reader import JournalReader
from gateway_router.journal.segment import Position, Segment, list_segments

State = Literal["in use", "left", "closed", "published"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """One producer's journal.

    `first_sequence` to `last_sequence` are the events that its segments still hold, None when there
    are none; `ended` is how many events the producer has ended, `confirmed` up to which the broker
    has them. `state`: in use (a process holds it: its own, or one that publishes what is left), left
    (its process died, nobody has taken it over yet), closed (all calls ended, not all published),
    published.
    """

    producer: str
    state: State
    closed: bool
    first_sequence: int | None
    last_sequence: int | None
    ended: int
    confirmed: int
    segments: int
    size_bytes: int


def survey_all(journal_dir: Path) -> list[Survey]:
    """Oldest boot first. A journal that is being removed meanwhile is left out."""
    return [found for path in boot_folders(journal_dir) if (found := _survey_or_none(path)) is not None]


def settled_records(folder: Path, *, first: int, last: int | None) -> Iterator[Frame]:
    """The terminal records with these sequences that the segments hold now, as they were written. Raises OSError."""
    segments = list_segments(folder)
    if not segments:
        return
    reader = JournalReader(folder, Position(_segment_with(segments, first).number))
    limit = Position(segments[-1].number, segments[-1].size_bytes)
    try:
        while frames := reader.read(limit):
            for frame in frames:
                if frame.kind is not FrameKind.SETTLE or frame.sequence < first:
                    continue
                if last and frame.sequence > last:
                    return
                yield frame
    finally:
        reader.close()


def last_settled(folder: Path) -> int:
    """The highest sequence that is written, or was; 0 when none is."""
    segments = list_segments(folder)
    if not segments:
        return 0
    before = segments[-1].first_sequence - 1
    return max((frame.sequence for frame in settled_records(folder, first=before + 1, last=None)), default=before)


def _survey_or_none(path: Path) -> Survey | None:
    try:
        return _survey(path)
    except FileNotFoundError:
        return None


def _survey(path: Path) -> Survey:
    cursor = Cursor.load(path)
    segments = list_segments(path)
    closed = cursor.last_sequence is not None
    last = cursor.last_sequence if cursor.last_sequence is not None else last_settled(path)
    holds_any = bool(segments) and segments[0].first_sequence <= last
    return Survey(
        producer=f"{path.parent.name}/{path.name}",
        state=_state(path, cursor),
        closed=closed,
        first_sequence=segments[0].first_sequence if holds_any else None,
        last_sequence=last if holds_any else None,
        ended=max(last, cursor.sequence),
        confirmed=cursor.sequence,
        segments=len(segments),
        size_bytes=sum(segment.size_bytes for segment in segments),
    )


def _state(path: Path, cursor: Cursor) -> State:
    if _is_locked(path):
        return "in use"
    if cursor.last_sequence is None:
        return "left"
    return "published" if cursor.is_finished else "closed"


def _is_locked(path: Path) -> bool:
    fd = os.open(path / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)  # who wanted to take it over this moment tries again in seconds
    return False


def _segment_with(segments: list[Segment], sequence: int) -> Segment:
    """The last one that begins at or below `sequence`, else the first."""
    return next((one for one in reversed(segments) if one.first_sequence <= sequence), segments[0])
