"""The journal of a living process: sequences, durability, failures, rotation."""

import asyncio
import errno
import os
import time
from pathlib import Path

import pytest

from gateway_router.journal import Journal
from gateway_router.journal.cursor import Cursor
from gateway_router.journal.folder import FolderNameInvalid, JournalFolder
from gateway_router.journal.recovery import close_folder
from gateway_router.journal.segment import Position, list_segments
from gateway_shared.errors import JournalUnavailable
from gateway_shared.usage_event import UsageEvent
from tests.unit.router_journal.events import checkpoint, intent, settled
from tests.unit.router_journal.reading import read_frames, terminal_events


def settle(journal: Journal, event_id: str) -> asyncio.Future[None]:
    return journal.settle(lambda producer, sequence: settled(event_id, producer, sequence))


async def test_settles_are_numbered_from_one_without_a_gap_in_the_order_they_came(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, instance="r1", boot="b1")
    for number in range(200):
        journal.intent(intent(f"e{number}"))
    await asyncio.gather(*(settle(journal, f"e{number}") for number in range(200)))
    assert journal.durable_sequence == 200
    events = terminal_events(tmp_path / "r1" / "b1")
    assert [(event.event_id, event.sequence) for event in events] == [(f"e{n}", n + 1) for n in range(200)]
    assert {event.producer for event in events} == {"r1/b1"} == {journal.producer}
    await journal.close()


async def test_a_settle_that_cannot_be_built_gives_its_sequence_to_the_next(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, instance="r1")

    def build(producer: str, sequence: int) -> UsageEvent:
        raise LookupError

    await settle(journal, "a")
    with pytest.raises(LookupError):
        journal.settle(build)
    await settle(journal, "b")
    assert [event.sequence for event in terminal_events(journal.folder.path)] == [1, 2]
    await journal.close()


async def test_an_intent_is_in_the_file_when_the_call_returns(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, instance="r1")
    journal.intent(intent("a"))
    assert [frame.payload for frame in read_frames(journal.folder.path)] == [intent("a").to_json()]
    await journal.close()


async def test_a_checkpoint_that_comes_after_the_settle_is_not_written(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, instance="r1")
    journal.intent(intent("a"))
    durable = settle(journal, "a")
    journal.checkpoint(checkpoint("a", 5))
    await durable
    await journal.close()
    assert close_folder(journal.folder).last_sequence == 1


async def test_segments_roll_over_and_stay_readable(tmp_path: Path) -> None:
    journal = Journal(JournalFolder.create(tmp_path, instance="r1", boot="b"), segment_bytes=3000)
    for number in range(30):
        journal.intent(intent(f"e{number}"))
        await settle(journal, f"e{number}")
    segments = list_segments(journal.folder.path)
    assert len(segments) > 5
    assert max(segment.size_bytes for segment in segments) <= 3000
    assert [event.sequence for event in terminal_events(journal.folder.path)] == list(range(1, 31))
    for segment in segments:
        in_it = [frame.sequence for frame in read_frames(journal.folder.path, only=segment.number) if frame.sequence]
        assert in_it[:1] in ([], [segment.first_sequence])
    await journal.close()


async def test_recovery_starts_at_the_oldest_open_call(tmp_path: Path) -> None:
    journal = Journal(JournalFolder.create(tmp_path, instance="r1", boot="b"), segment_bytes=3000)
    journal.intent(intent("long"))
    for number in range(10):
        await settle(journal, f"e{number}")
    assert journal.oldest_open_segment == 1
    await settle(journal, "long")
    assert journal.oldest_open_segment == list_segments(journal.folder.path)[-1].number > 1
    await journal.close()


async def test_after_an_fsync_error_nothing_is_acknowledged_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(tmp_path, instance="r1")
    calls = 0

    def broken(fd: int) -> None:
        nonlocal calls
        calls += 1
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    journal.intent(intent("a"))
    with pytest.raises(JournalUnavailable):
        await settle(journal, "a")
    assert (await journal.failed).errno == errno.EIO
    monkeypatch.undo()
    for refused in (lambda: journal.intent(intent("b")), lambda: settle(journal, "b")):
        with pytest.raises(JournalUnavailable):
            refused()
    await journal.close()
    assert calls == 1


async def test_a_full_disk_refuses_a_call_whole_and_serves_the_next_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(tmp_path, instance="r1")
    await settle(journal, "a")
    write = os.write

    def half_then_full(fd: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", full)
        return write(fd, data[: len(data) // 2])

    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(os, "write", half_then_full)
    with pytest.raises(JournalUnavailable) as refused:
        journal.intent(intent("b"))
    assert refused.value.status == 503
    assert refused.value.retry_after_s
    with pytest.raises(JournalUnavailable):
        settle(journal, "c")
    monkeypatch.setattr(os, "write", write)
    assert not journal.failed.done()
    await settle(journal, "d")
    assert [(event.event_id, event.sequence) for event in terminal_events(journal.folder.path)] == [("a", 1), ("d", 2)]
    (segment,) = list_segments(journal.folder.path)
    assert segment.size_bytes == journal.durable.offset, "nothing is left of what did not fit"
    await journal.close()


async def test_a_lone_call_is_not_held_up_by_group_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_router.journal.journal.GROUP_DELAY_S", 60.0)
    journal = Journal.open(tmp_path, instance="r1")
    journal.intent(intent("a"))
    async with asyncio.timeout(5):
        await settle(journal, "a")
    await journal.close()


async def test_calls_that_end_together_share_one_fdatasync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal.open(tmp_path, instance="r1")
    syncs = 0
    fdatasync = os.fdatasync

    def counted(fd: int) -> None:
        nonlocal syncs
        syncs += 1
        fdatasync(fd)

    monkeypatch.setattr(os, "fdatasync", counted)
    for number in range(65):
        journal.intent(intent(f"e{number}"))
    started_s = time.monotonic()
    await asyncio.gather(*(settle(journal, f"e{number}") for number in range(64)))
    assert syncs == 1
    assert time.monotonic() - started_s < 5.0
    await journal.close()


async def test_a_caller_that_was_cancelled_does_not_take_the_record_back(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, instance="r1")
    settle(journal, "a").cancel()
    await settle(journal, "b")
    assert [event.event_id for event in terminal_events(journal.folder.path)] == ["a", "b"]
    await journal.close()


async def test_closing_makes_what_is_pending_durable(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, instance="r1")
    journal.intent(intent("other"))
    durable = settle(journal, "a")
    await journal.close()
    assert durable.done()
    assert journal.durable >= Position(1, 1)
    with pytest.raises(JournalUnavailable):
        journal.intent(intent("b"))


@pytest.mark.parametrize("instance", ["", "..", "a/b", ".hidden", "a b"])
async def test_an_instance_name_that_is_no_path_part_is_refused(tmp_path: Path, instance: str) -> None:
    with pytest.raises(FolderNameInvalid):
        Journal.open(tmp_path, instance=instance)


def test_a_cursor_that_cannot_be_read_starts_over(tmp_path: Path) -> None:
    saved = Cursor(Position(3, 4), 5, 2, 9)
    saved.save(tmp_path)
    assert Cursor.load(tmp_path) == saved
    (tmp_path / "cursor").write_bytes(b"{")
    assert Cursor.load(tmp_path) == Cursor()
