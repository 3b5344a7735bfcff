"""A disk that is really full: a small tmpfs beside others who write on it too (RELIABILITY: F12)."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_router.adoption import Adoption
from gateway_router.journal import Journal
from gateway_router.journal.folder import JournalFolder
from gateway_router.journal.recovery import close_folder
from gateway_router.journal.segment import DiskFull
from gateway_router.metering import journal_check
from gateway_shared.errors import JournalUnavailable
from tests.unit.router_journal.events import checkpoint, intent, settled
from tests.unit.router_journal.reading import terminal_events

RESERVE_BYTES = 256 * 1024
PAGE_BYTES = 4096


class SmallDisk:
    """A tmpfs of 2 MiB; `fill` is somebody else's file on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filling = path / "somebody-else"

    def fill(self, *, leave_bytes: int = 0) -> None:
        with self._filling.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(PAGE_BYTES))
            except OSError:
                file.truncate(file.tell() // PAGE_BYTES * PAGE_BYTES - leave_bytes)

    def empty(self) -> None:
        self._filling.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", tmp_path], check=False)
    if mounted.returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield SmallDisk(tmp_path)
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


def open_journal(disk: SmallDisk) -> Journal:
    folder = JournalFolder.create(disk.path, instance="r1", boot="b1")
    return Journal(folder, segment_bytes=64 * 1024, reserve_bytes=RESERVE_BYTES)


def settle(journal: Journal, event_id: str) -> asyncio.Future[None]:
    return journal.settle(lambda producer, sequence: settled(event_id, producer, sequence))


def take_until_full(journal: Journal, *, most: int = 10_000) -> list[str]:
    """Opens calls until one is refused."""
    taken: list[str] = []
    while len(taken) < most:
        try:
            journal.intent(intent(f"e{len(taken)}"))
        except JournalUnavailable as refused:
            assert (refused.status, refused.retry_after_s) == (503, 5.0)  # noqa: PT017 - the loop ends with it
            return taken
        taken.append(f"e{len(taken)}")
    pytest.fail("the disk does not get full")


async def test_new_calls_are_refused_and_those_in_flight_are_settled_on_a_full_disk(disk: SmallDisk) -> None:
    journal = open_journal(disk)
    in_flight = [f"open{number}" for number in range(100)]
    for event_id in in_flight:
        journal.intent(intent(event_id))
    disk.fill()
    in_flight += take_until_full(journal, most=100)
    assert await journal_check(journal)()
    journal.checkpoint(checkpoint(in_flight[0], 7))  # a long stream is not disturbed
    await asyncio.gather(*(settle(journal, event_id) for event_id in in_flight))
    assert [event.event_id for event in terminal_events(journal.folder.path)] == in_flight
    with pytest.raises(DiskFull):
        journal.intent(intent("later"))

    disk.empty()
    await journal.look_for_room()
    assert await journal_check(journal)() is None
    journal.intent(intent("later"))
    await settle(journal, "later")
    assert not journal.failed.done()
    await journal.close()
    assert close_folder(journal.folder).last_sequence == len(in_flight) + 1


async def test_calls_are_refused_before_the_disk_is_full(disk: SmallDisk) -> None:
    journal = open_journal(disk)
    disk.fill(leave_bytes=RESERVE_BYTES // 2)
    await journal.look_for_room()
    with pytest.raises(DiskFull):
        journal.intent(intent("a"))
    assert (journal.folder.path / "reserve").stat().st_size == RESERVE_BYTES, "it was not needed"
    disk.empty()
    await journal.look_for_room()
    journal.intent(intent("a"))
    await journal.close()


async def test_what_found_no_room_at_all_is_not_answered_and_is_written_later(disk: SmallDisk) -> None:
    journal = open_journal(disk)
    journal.intent(intent("lost"))
    journal.intent(intent("in flight"))
    disk.fill()
    take_until_full(journal)
    (journal.folder.path / "reserve").unlink()
    disk.fill()
    with pytest.raises(DiskFull):
        settle(journal, "in flight")
    with pytest.raises(DiskFull):  # its caller says now that it broke; the provider's own figure is worth more
        journal.settle(lambda _, __: checkpoint("in flight", 1))
    disk.empty()
    await journal.look_for_room()
    await settle(journal, "lost")
    first, second = terminal_events(journal.folder.path)
    assert (first.event_id, first.status, first.sequence) == ("in flight", "settled", 1)
    assert (second.event_id, second.sequence) == ("lost", 2)
    await journal.close()


async def test_the_reserve_of_a_dead_process_makes_room_for_its_recovery(disk: SmallDisk) -> None:
    journal = open_journal(disk)
    for number in range(100):
        journal.intent(intent(f"e{number}"))
    disk.fill()
    await crash(journal)
    (publication,) = Adoption(disk.path).adopt()
    assert publication.unpublished == 100
    assert not (journal.folder.path / "reserve").exists()
    publication.close()
    publication.folder.release()


async def crash(journal: Journal) -> None:
    """Its lock is free and its reserve is still there."""
    reserve = journal.folder.path / "reserve"
    kept = reserve.with_name("kept")
    reserve.rename(kept)
    await journal.close()
    kept.rename(reserve)
    journal.folder.release()


async def test_records_around_one_that_was_cut_by_the_full_disk_are_whole(disk: SmallDisk) -> None:
    journal = open_journal(disk)
    fits = 0
    for round_number in range(3):
        disk.fill(leave_bytes=3 * PAGE_BYTES)
        taken = take_until_full(journal)
        fits += len(taken)
        await asyncio.gather(*(settle(journal, event_id) for event_id in taken))
        disk.empty()
        await journal.look_for_room()
        await settle(journal, f"between {round_number}")
    await journal.close()
    events = terminal_events(journal.folder.path)
    assert [event.sequence for event in events] == list(range(1, fits + 4))
    assert close_folder(journal.folder).last_sequence == fits + 3
