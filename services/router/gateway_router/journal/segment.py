"""Segments: the numbered files of a journal folder, and the one that is being appended to.

The name `<number>.<first sequence>.journal` says where a segment stands in the producer's
numbering, so that nobody reads a segment to know what it can hold.
"""

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gateway_shared.errors import JournalUnavailable

DEFAULT_SEGMENT_BYTES = 64 * 1024 * 1024
_NAME = re.compile(r"([0-9]{10})\.([0-9]{19})\.journal")
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
RETRY_AFTER_S = 5.0


class DiskFull(JournalUnavailable):
    """There is no room for a record; nothing of it was written."""

    default_message = "The gateway's journal disk is full."

    def __init__(self) -> None:
        super().__init__(retry_after_s=RETRY_AFTER_S)


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a folder: segment number, byte offset in it."""

    segment: int = 0
    offset: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One file; `first_sequence` is the sequence of the first terminal record that it can hold."""

    number: int
    first_sequence: int
    path: Path

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size


def list_segments(folder: Path) -> list[Segment]:
    """The segments of a folder, oldest first."""
    found = []
    for path in folder.iterdir():
        match = _NAME.fullmatch(path.name)
        if match:
            found.append(Segment(int(match[1]), int(match[2]), path))
    return sorted(found)


def sync_directory(folder: Path) -> None:
    """Makes the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class SegmentWriter:
    """Appends whole frames to one new segment, or nothing."""

    def __init__(self, segment: Segment, fd: int) -> None:
        self.segment = segment
        self.fd = fd
        self.size_bytes = 0

    @classmethod
    def create(cls, folder: Path, *, number: int, first_sequence: int) -> Self:
        """Raises DiskFull, else OSError."""
        path = folder / f"{number:010}.{first_sequence:019}.journal"
        try:
            fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _full_or(error) from error
        return cls(Segment(number, first_sequence, path), fd)

    @property
    def end(self) -> Position:
        return Position(self.segment.number, self.size_bytes)

    def append(self, frame: bytes) -> None:
        """Returns when write(2) has taken the whole frame.

        Raises DiskFull (the file is as before), else OSError.
        """
        try:
            written = os.write(self.fd, frame)
            while written < len(frame):
                written += os.write(self.fd, frame[written:])
        except OSError as error:
            os.ftruncate(self.fd, self.size_bytes)
            raise _full_or(error) from error
        self.size_bytes += written

    def sync(self) -> None:
        os.fdatasync(self.fd)

    def close(self) -> None:
        os.close(self.fd)


def _full_or(error: OSError) -> Exception:
    if error.errno in NO_SPACE:
        return DiskFull()
    return error
