"""One producer's folder, `<journal_dir>/<instance>/<boot>`, under an exclusive flock held for life."""

import fcntl
import os
import re
from pathlib import Path
from typing import Self

from gateway_router.journal.segment import list_segments, sync_directory

LOCK = "lock"
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class FolderNameInvalid(ValueError):
    """An instance or boot name that cannot be part of a path."""


class JournalFolder:
    """A folder whose lock this process holds; `producer` is `<instance>/<boot>`."""

    def __init__(self, path: Path, lock_fd: int) -> None:
        self.path = path
        self.producer = f"{path.parent.name}/{path.name}"
        self._lock_fd = lock_fd

    @classmethod
    def create(cls, journal_dir: Path, *, instance: str, boot: str) -> Self:
        """A new folder, locked before others can see it. Raises FolderNameInvalid, OSError."""
        for part in (instance, boot):
            if not _PART.fullmatch(part):
                raise FolderNameInvalid(f"{part!r}: letters, digits, '.', '_' and '-' are allowed")
        parent = journal_dir / instance
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path, hidden = parent / boot, parent / f".{boot}.new"
        hidden.mkdir(mode=0o700)
        lock_fd = os.open(hidden / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(path)
        sync_directory(parent)
        sync_directory(journal_dir)
        return cls(path, lock_fd)

    @classmethod
    def adopt(cls, path: Path) -> Self | None:
        """The folder, when its owner is dead and nobody else has adopted it; else None."""
        try:
            lock_fd = os.open(path / LOCK, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(lock_fd).st_nlink > 0:
                return cls(path, lock_fd)
        except BlockingIOError:
            os.close(lock_fd)
            return None
        os.close(lock_fd)  # it was removed while we waited for our turn
        return None

    def release(self) -> None:
        os.close(self._lock_fd)

    def remove(self) -> None:
        """Deletes the folder with all that is in it, the lock last, so that a crash leaves no orphan."""
        for segment in list_segments(self.path):
            segment.path.unlink()
        for path in self.path.iterdir():
            if path.name != LOCK:
                path.unlink()
        (self.path / LOCK).unlink()
        self.path.rmdir()
        self.release()


def boot_folders(journal_dir: Path) -> list[Path]:
    """Every producer's folder under `journal_dir`, oldest boot first."""
    if not journal_dir.is_dir():
        return []
    instances = [path for path in journal_dir.iterdir() if path.is_dir()]
    found = [path for instance in instances for path in instance.iterdir() if _PART.fullmatch(path.name)]
    return sorted((path for path in found if path.is_dir()), key=lambda path: path.name)
