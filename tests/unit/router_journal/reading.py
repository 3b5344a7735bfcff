"""Reads journal folders back, for tests."""

from pathlib import Path

from gateway_router.journal.frame import Frame, FrameKind
from gateway_router.journal.reader import JournalReader
from gateway_router.journal.segment import Position, list_segments
from gateway_shared.usage_event import UsageEvent


def read_frames(folder: Path, *, only: int | None = None) -> list[Frame]:
    """All frames, or those of one segment."""
    segments = list_segments(folder)
    last = next(segment for segment in reversed(segments) if only in (None, segment.number))
    reader = JournalReader(folder, Position(only or 0))
    found: list[Frame] = []
    while frames := reader.read(Position(last.number, last.size_bytes)):
        found.extend(frames)
    reader.close()
    return found


def terminal_events(folder: Path) -> list[UsageEvent]:
    return [UsageEvent.from_json(frame.payload) for frame in read_frames(folder) if frame.kind is FrameKind.SETTLE]
