"""A folder on a file system of its own that can be filled to its last byte. Takes root, for the mount."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

_PIECE = bytes(64 * 1024)


@dataclass(frozen=True)
class SmallDisk:
    """`fill` as often as it takes: what is freed meanwhile is free again."""

    folder: Path

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self) -> None:
        with suppress(OSError), self._ballast.open("ab", buffering=0) as ballast:  # ENOSPC
            while True:
                ballast.write(_PIECE)

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, room_mib: int) -> Iterator[SmallDisk]:
    """`folder` with what is in it and some room, for the block, before and after which nobody may have it open."""
    taken_kib = int(subprocess.run(["du", "-sk", folder], check=True, capture_output=True).stdout.split()[0])
    size = f"size={taken_kib + room_mib * 1024}k"
    kept = folder.with_name(f"{folder.name}.kept")
    folder.rename(kept)
    folder.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], check=True)
    except (OSError, subprocess.CalledProcessError):
        folder.rmdir()
        kept.rename(folder)
        pytest.skip("no file system can be mounted here: it takes root, and the right to mount")
    disk = SmallDisk(folder)
    try:
        _copy(kept, folder)
    except subprocess.CalledProcessError:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()
        kept.rename(folder)
        raise
    try:
        yield disk
    finally:
        disk.free()
        shutil.rmtree(kept)
        kept.mkdir()
        _copy(folder, kept)
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()
        kept.rename(folder)


def _copy(source: Path, target: Path) -> None:
    """All that is in it, with owners, modes and times; the folder's own too."""
    subprocess.run(["cp", "-a", f"{source}/.", target], check=True)
    state = source.stat()
    os.chown(target, state.st_uid, state.st_gid)
    target.chmod(state.st_mode & 0o7777)
