"""Room on the journal's disk for what is in flight: a file that is given back when the disk is full.

While it is held, and as much again is free, new calls are taken; below that only those in flight are written.
"""

import os
import threading
from pathlib import Path

from gateway_router.journal.segment import NO_SPACE

_NAME = "reserve"


class DiskReserve:
    """`size_bytes` of one folder's disk; 0 keeps nothing. Blocking, and safe in several threads."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self._path = folder / _NAME
        self._size_bytes = size_bytes
        self._is_held = False
        self._lock = threading.Lock()

    def has_room(self) -> bool:
        """Whether new calls can be taken; the reserve is taken again when there is room for it. Raises OSError."""
        with self._lock:
            disk = os.statvfs(self._path.parent)
            free_bytes = disk.f_bavail * disk.f_frsize
            if not self._is_held and free_bytes >= 2 * self._size_bytes:
                self._take()
                free_bytes -= self._size_bytes
            return self._is_held and free_bytes >= self._size_bytes

    def give_back(self) -> bool:
        """False when it is not held."""
        with self._lock:
            was_held, self._is_held = self._is_held, False
            remove_reserve(self._path.parent)
        return was_held

    def _take(self) -> None:
        fd = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            if self._size_bytes:
                os.posix_fallocate(fd, 0, self._size_bytes)
        except OSError as error:
            remove_reserve(self._path.parent)  # others were faster: part of it would help nobody
            if error.errno not in NO_SPACE:
                raise
        else:
            self._is_held = True
        finally:
            os.close(fd)


def remove_reserve(folder: Path) -> None:
    """Of a process that needs it no more, or is dead."""
    (folder / _NAME).unlink(missing_ok=True)
