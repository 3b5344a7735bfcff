"""fdatasync that really fails: a file system whose device has no room behind it. Takes root, for the mounts."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway_router.journal import Journal
from gateway_shared.errors import JournalUnavailable
from tests.unit.router_journal.events import intent, settled
from tests.unit.router_journal.reading import terminal_events


class BrokenDisk:
    """An ext4 of 32 MiB on a device that takes the first megabytes of it, and then no more."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "disk"
        self._device = folder / "device"
        self._image = self._device / "image"
        self.path.mkdir()
        self._device.mkdir()

    def make(self) -> bool:
        """False where mounting is not allowed."""
        if not _ran("mount", "-t", "tmpfs", "-o", "size=8m", "none", self._device):
            return False
        with self._image.open("wb") as image:
            image.truncate(32 * 1024 * 1024)
        made = _ran("mkfs.ext4", "-q", "-J", "size=1", "-b", "1024", "-E", "lazy_itable_init=0,nodiscard", self._image)
        return made and self.mount()

    def mount(self) -> bool:
        return _ran("mount", "-o", "loop", self._image, self.path)

    def mount_again(self) -> None:
        """What was only in the page cache is gone; the device is whole again."""
        assert _ran("umount", self.path)
        assert _ran("mount", "-o", "remount,size=64m", self._device)
        assert self.mount()

    def unmake(self) -> None:
        for mounted in (self.path, self._device):
            _ran("umount", "--lazy", mounted)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[BrokenDisk]:
    with ExitStack() as cleaning:
        disk = BrokenDisk(tmp_path)
        cleaning.callback(disk.unmake)
        if not disk.make():
            pytest.skip("no device can be made here: it takes root, and the right to mount")
        yield disk


async def test_after_a_real_fsync_error_nothing_is_acknowledged_and_what_was_is_on_the_disk(
    disk: BrokenDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed_syncs = count_failures(monkeypatch)
    journal = Journal.open(disk.path, instance="r1")
    acknowledged: list[str] = []
    with pytest.raises(JournalUnavailable):  # noqa: PT012 - the calls before it are what is looked at afterwards
        while True:
            batch = [f"e{len(acknowledged) + number}" for number in range(64)]
            for event_id in batch:
                journal.intent(intent(event_id))
            durable = [
                journal.settle(lambda producer, sequence, event_id=event_id: settled(event_id, producer, sequence))  # type: ignore[misc]
                for event_id in batch
            ]
            await asyncio.gather(*durable)
            acknowledged += batch
    assert journal.failed.done(), "the process must end"
    with pytest.raises(JournalUnavailable):
        journal.intent(intent("later"))
    await journal.close()
    journal.folder.release()
    assert len(failed_syncs) == 1, "it is never tried again"
    assert len(acknowledged) > 100

    disk.mount_again()
    found = [event.event_id for event in terminal_events(journal.folder.path)]
    assert found[: len(acknowledged)] == acknowledged


def count_failures(monkeypatch: pytest.MonkeyPatch) -> list[OSError]:
    failures: list[OSError] = []
    fdatasync = os.fdatasync

    def watched(fd: int) -> None:
        try:
            fdatasync(fd)
        except OSError as error:
            failures.append(error)
            raise

    monkeypatch.setattr(os, "fdatasync", watched)
    return failures


def _ran(*command: str | Path) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
