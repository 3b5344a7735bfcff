"""What may be removed of a journal, and when."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway_router.journal import Journal
from gateway_router.journal.cursor import Cursor
from gateway_router.journal.folder import JournalFolder
from gateway_router.journal.recovery import close_folder
from gateway_router.journal.segment import Position, list_segments
from gateway_router.retention import expired_folders, prune_folder, removable_segments, remove_segments
from tests.unit.router_journal.events import intent, settled

OLD_S = 1_000_000.0
NOW_S = 2_000_000.0


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    """Twelve settled calls in several old segments."""
    journal = Journal(JournalFolder.create(tmp_path, instance="r1", boot="b1"), segment_bytes=3000)
    for number in range(12):
        await journal.settle(lambda p, s, n=number: settled(f"e{n}", p, s))  # type: ignore[misc]
    make_old(journal)
    yield journal
    await journal.close()


def make_old(journal: Journal) -> None:
    for segment in list_segments(journal.folder.path):
        os.utime(segment.path, (OLD_S, OLD_S))


def published(journal: Journal, sequence: int = 12) -> Cursor:
    return Cursor(journal.durable, sequence, journal.oldest_open_segment)


def lasts(journal: Journal, cursor: Cursor, older_than_s: float = NOW_S) -> list[int]:
    found = removable_segments(journal.folder.path, cursor, older_than_s=older_than_s)
    return [item.last_sequence for item in found]


async def test_all_but_the_segment_in_use_may_go_once_published_and_old(journal: Journal) -> None:
    segments = list_segments(journal.folder.path)
    assert len(segments) > 3
    assert lasts(journal, published(journal)) == [segment.first_sequence - 1 for segment in segments[1:]]


async def test_what_is_not_confirmed_or_too_young_stays(journal: Journal) -> None:
    assert all(last <= 6 for last in lasts(journal, published(journal, 6)))
    assert lasts(journal, published(journal), older_than_s=OLD_S - 1) == []


async def test_a_segment_with_an_open_call_stays_with_all_that_follow(tmp_path: Path) -> None:
    journal = Journal(JournalFolder.create(tmp_path, instance="r1", boot="b1"), segment_bytes=3000)
    journal.intent(intent("long"))
    for number in range(12):
        await journal.settle(lambda p, s, n=number: settled(f"e{n}", p, s))  # type: ignore[misc]
    make_old(journal)
    assert lasts(journal, published(journal)) == []
    await journal.close()


async def test_only_what_the_ledger_has_is_removed(journal: Journal) -> None:
    before = list_segments(journal.folder.path)
    removable = removable_segments(journal.folder.path, published(journal), older_than_s=NOW_S)
    assert remove_segments(removable, ledger_has=0) == 0
    assert remove_segments(removable, ledger_has=removable[1].last_sequence) == 2
    assert list_segments(journal.folder.path) == before[2:]


async def test_a_journal_whose_beginning_was_removed_keeps_its_numbering(journal: Journal) -> None:
    cursor = published(journal)
    remove_segments(removable_segments(journal.folder.path, cursor, older_than_s=NOW_S), ledger_has=12)
    journal.intent(intent("cut off"))
    await journal.close()
    assert close_folder(journal.folder).last_sequence == 13


async def test_a_closed_folder_goes_when_the_ledger_has_all_of_it(tmp_path: Path, journal: Journal) -> None:
    await journal.close()
    path = journal.folder.path
    closed = close_folder(journal.folder)
    assert expired_folders(tmp_path, older_than_s=NOW_S) == {}
    last = list_segments(path)[-1]
    Cursor(Position(last.number, last.size_bytes), 12, 0, closed.last_sequence, is_marked=True).save(path)
    assert expired_folders(tmp_path, older_than_s=NOW_S) == {"r1/b1": path}
    prune_folder(path, ledger_has=12, older_than_s=NOW_S)
    assert path.exists(), "its lock is still held"
    journal.folder.release()
    await asyncio.to_thread(prune_folder, path, ledger_has=11, older_than_s=NOW_S)
    assert [segment.number for segment in list_segments(path)] == [last.number]
    prune_folder(path, ledger_has=12, older_than_s=NOW_S)
    assert not path.exists()


async def test_a_closed_folder_stays_until_its_end_is_marked(tmp_path: Path, journal: Journal) -> None:
    await journal.close()
    closed = close_folder(journal.folder)
    last = list_segments(journal.folder.path)[-1]
    Cursor(Position(last.number, last.size_bytes), 12, 0, closed.last_sequence).save(journal.folder.path)
    journal.folder.release()
    assert expired_folders(tmp_path, older_than_s=NOW_S) == {}


async def test_a_folder_that_a_crash_left_without_segments_goes_too(tmp_path: Path, journal: Journal) -> None:
    await journal.close()
    path = journal.folder.path
    closed = close_folder(journal.folder)
    for segment in list_segments(path):
        segment.path.unlink()
    Cursor(Position(), 12, 0, closed.last_sequence, is_marked=True).save(path)
    journal.folder.release()
    assert expired_folders(tmp_path, older_than_s=NOW_S) == {"r1/b1": path}
    prune_folder(path, ledger_has=0, older_than_s=NOW_S)
    assert not path.exists()
