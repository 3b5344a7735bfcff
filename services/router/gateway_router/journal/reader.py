"""Reads a folder's frames in order, from a position up to a limit."""

import os
from pathlib import Path

from gateway_router.journal.frame import HEAD_BYTES, MARKER, MAX_PAYLOAD_BYTES, Frame, decode
from gateway_router.journal.segment import Position, Segment, list_segments

READ_BYTES = 256 * 1024
_LONGEST_FRAME_BYTES = HEAD_BYTES + MAX_PAYLOAD_BYTES


class JournalReader:
    """`position` is behind the last frame that was read. `damaged_bytes` counts what was passed over."""

    def __init__(self, folder: Path, position: Position) -> None:
        self.position = position
        self.damaged_bytes = 0
        self._folder = folder
        self._fd: int | None = None

    def read(self, limit: Position) -> list[Frame]:
        """The next frames, all of one segment (`position.segment`); none at the limit. Raises OSError."""
        while self.position < limit:
            if self._fd is None and not self._open_segment(limit):
                break
            # asked anew: the segment may have grown since it was opened, before the next one was begun
            end = limit.offset if self.position.segment == limit.segment else self._size_bytes()
            frames = self._read_frames(end)
            if frames:
                return frames
            if self.position.offset >= end and self.position.segment < limit.segment:
                self.seek(Position(self.position.segment + 1))
        return []

    def seek(self, position: Position) -> None:
        if position.segment != self.position.segment:
            self.close()
        self.position = position

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open_segment(self, limit: Position) -> bool:
        """The segment at the position, or the first one after it; False when there is none up to the limit."""
        segment = _first_from(self._folder, self.position.segment)
        if segment is None or segment.number > limit.segment:
            self.position = limit
            return False
        if segment.number != self.position.segment:
            self.position = Position(segment.number)
        self._fd = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        return True

    def _size_bytes(self) -> int:
        assert self._fd is not None
        return os.fstat(self._fd).st_size

    def _read_frames(self, end: int) -> list[Frame]:
        number, start = self.position.segment, self.position.offset
        assert self._fd is not None
        for wanted in (READ_BYTES, _LONGEST_FRAME_BYTES):
            data = os.pread(self._fd, min(wanted, end - start), start)
            frames = list(decode(data, offset=start))
            if frames:
                self._count_damage(start, frames)
                self.position = Position(number, frames[-1].end)
                return frames
            if not data or start + len(data) >= end:
                self.damaged_bytes += len(data)
                self.position = Position(number, end)
                return []
        # longer than any frame and no frame in it: none begins here
        next_start = data.find(MARKER, 1)
        skipped = next_start if next_start > 0 else len(data)
        self.damaged_bytes += skipped
        self.position = Position(number, start + skipped)
        return []

    def _count_damage(self, start: int, frames: list[Frame]) -> None:
        whole = sum(HEAD_BYTES + len(frame.payload) for frame in frames)
        self.damaged_bytes += frames[-1].end - start - whole


def _first_from(folder: Path, number: int) -> Segment | None:
    return next((segment for segment in list_segments(folder) if segment.number >= number), None)
