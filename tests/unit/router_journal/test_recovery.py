"""Recovery of what dead processes left behind."""

import errno
from dataclasses import replace
from functools import partial
from pathlib import Path

import orjson
import pytest

from gateway_router.adoption import Adoption
from gateway_router.journal import Journal
from gateway_router.journal.cursor import Cursor
from gateway_router.journal.folder import JournalFolder
from gateway_router.journal.frame import FrameKind, encode
from gateway_router.journal.recovery import close_folder
from gateway_router.journal.segment import SegmentWriter, list_segments
from gateway_shared.usage_event import UsageEvent
from tests.unit.router_journal.events import checkpoint, intent, settled
from tests.unit.router_journal.reading import read_frames, terminal_events


async def dead_journal(journal_dir: Path, boot: str = "b1", *, segment_bytes: int = 1 << 20) -> Path:
    """One settled call, one with an intent only, one with a checkpoint; the owner is gone."""
    journal = Journal(JournalFolder.create(journal_dir, instance="r1", boot=boot), segment_bytes=segment_bytes)
    for event_id in ("settled", "asked", "streamed"):
        journal.intent(intent(event_id))
    journal.checkpoint(checkpoint("streamed", 5))
    journal.checkpoint(checkpoint("streamed", 17))
    await journal.settle(lambda producer, sequence: settled("settled", producer, sequence))
    await journal.close()
    journal.folder.release()
    return journal.folder.path


def adopted(path: Path) -> JournalFolder:
    folder = JournalFolder.adopt(path)
    assert folder is not None
    return folder


@pytest.mark.parametrize("segment_bytes", [1 << 20, 1000])
async def test_each_call_that_was_cut_off_gets_its_last_known_event(tmp_path: Path, segment_bytes: int) -> None:
    path = await dead_journal(tmp_path, segment_bytes=segment_bytes)
    folder = adopted(path)
    assert close_folder(folder).last_sequence == 3
    events = {event.event_id: event for event in terminal_events(path)}
    assert [(event_id, event.sequence) for event_id, event in events.items()] == [
        ("settled", 1),
        ("asked", 2),
        ("streamed", 3),
    ]
    assert (events["asked"].status, events["asked"].usage_source) == ("unknown", "unknown")
    assert (events["streamed"].status, events["streamed"].tokens.output_tokens) == ("partial", 17)
    assert {event.producer for event in events.values()} == {"r1/b1"}
    folder.release()


async def test_recovery_adds_nothing_the_second_time(tmp_path: Path) -> None:
    path = await dead_journal(tmp_path)
    folder = adopted(path)
    first = close_folder(folder)
    (path / "cursor").unlink()  # as if the process had died before it could write it
    assert close_folder(folder) == first
    assert len(terminal_events(path)) == 3
    folder.release()


async def test_a_recovery_that_finds_no_room_is_done_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = await dead_journal(tmp_path)
    adoption = Adoption(tmp_path)
    append = SegmentWriter.append

    def full(writer: SegmentWriter, frame: bytes) -> None:
        append(writer, frame)
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(SegmentWriter, "append", full)
    assert adoption.adopt() == []
    monkeypatch.undo()
    (publication,) = adoption.adopt()
    assert [event.sequence for event in terminal_events(path)] == [1, 2, 3]
    publication.close()
    publication.folder.release()


async def test_a_torn_tail_is_cut_and_its_call_is_still_accounted_for(tmp_path: Path) -> None:
    path = await dead_journal(tmp_path)
    torn = encode(FrameKind.SETTLE, 2, settled("asked", "r1/b1", 2).to_json())[:-3]
    with list_segments(path)[-1].path.open("ab") as file:
        file.write(torn)
    folder = adopted(path)
    close_folder(folder)
    assert sorted(event.event_id for event in terminal_events(path)) == ["asked", "settled", "streamed"]
    assert next(event.status for event in terminal_events(path) if event.event_id == "asked") == "unknown"
    folder.release()


async def test_damage_in_the_middle_hides_nothing_behind_it(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, instance="r1", boot="b1")
    for number in range(5):
        journal.intent(intent(f"e{number}"))
        await journal.settle(lambda p, s, n=number: settled(f"e{n}", p, s))  # type: ignore[misc]
    await journal.close()
    journal.folder.release()
    path = list_segments(journal.folder.path)[0].path
    data = bytearray(path.read_bytes())
    second_settle = read_frames(journal.folder.path)[3]
    data[second_settle.end - 20] ^= 0x10
    path.write_bytes(data)
    folder = adopted(journal.folder.path)
    close_folder(folder)
    events = terminal_events(folder.path)
    assert [(event.event_id, event.sequence, event.status) for event in events] == [
        ("e0", 1, "settled"),
        ("e2", 3, "settled"),
        ("e3", 4, "settled"),
        ("e4", 5, "settled"),
        ("e1", 2, "unknown"),
    ], "the number of the damaged record is used again"
    folder.release()


async def test_an_event_of_another_release_is_recovered_as_it_was_written(tmp_path: Path) -> None:
    path = await dead_journal(tmp_path)
    row = orjson.loads(intent("future").to_json()) | {"schema_version": 99, "new_field": [1]}
    with list_segments(path)[-1].path.open("ab") as file:
        file.write(encode(FrameKind.INTENT, 0, orjson.dumps(row)))
    folder = adopted(path)
    close_folder(folder)
    last = orjson.loads(read_frames(path)[-1].payload)
    assert last == row | {"producer": "r1/b1", "sequence": 4}
    folder.release()


async def test_a_living_journal_is_left_alone_until_its_process_dies(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, instance="r1", boot="b1")
    journal.intent(intent("a"))
    adoption = Adoption(tmp_path)
    assert adoption.adopt() == []
    assert Adoption(tmp_path).adopt() == []
    await journal.close()
    journal.folder.release()
    (publication,) = adoption.adopt()
    assert publication.unpublished == 1
    assert Adoption(tmp_path).adopt() == []
    publication.close()
    publication.folder.release()


async def test_a_folder_without_records_is_removed(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, instance="r1", boot="b1")
    await journal.close()
    journal.folder.release()
    assert Adoption(tmp_path).adopt() == []
    assert list((tmp_path / "r1").iterdir()) == []


async def test_a_closed_and_published_folder_is_not_taken_again(tmp_path: Path) -> None:
    path = await dead_journal(tmp_path)
    folder = adopted(path)
    cursor = close_folder(folder)
    assert cursor.last_sequence == 3
    Cursor(cursor.position, 3, 0, 3, is_marked=True).save(path)
    folder.release()
    before = sorted(path.iterdir())
    assert Adoption(tmp_path).adopt() == []
    assert sorted(path.iterdir()) == before


async def test_a_folder_that_makes_no_sense_does_not_hold_up_the_others(tmp_path: Path) -> None:
    odd = await dead_journal(tmp_path, "b1")
    with list_segments(odd)[-1].path.open("ab") as file:
        file.write(encode(FrameKind.INTENT, 0, b"[]"))
    await dead_journal(tmp_path, "b2")
    (publication,) = Adoption(tmp_path).adopt()
    assert publication.folder.producer == "r1/b2"
    assert list_segments(odd), "what cannot be read is kept"
    publication.close()
    publication.folder.release()


async def test_a_block_that_came_back_does_not_open_a_settled_call_again(tmp_path: Path) -> None:
    path = await dead_journal(tmp_path)
    with list_segments(path)[-1].path.open("ab") as file:
        file.write(encode(FrameKind.INTENT, 0, intent("settled").to_json()))
    folder = adopted(path)
    assert close_folder(folder).last_sequence == 3
    assert sorted(event.event_id for event in terminal_events(path)) == ["asked", "settled", "streamed"]
    folder.release()


@pytest.mark.parametrize(
    ("written", "finals"),
    [
        (("intent 1",), {"1": True}),
        (("intent 1", "checkpoint 1"), {"1": True}),
        (("intent 1", "checkpoint 1", "intent 2"), {"1": False, "2": True}),
        (("intent 1", "intent 2", "settle 1"), {"1": False, "2": True}),
        (("intent 1", "intent 2", "settle 1", "intent 3", "settle 2"), {"1": False, "2": False, "3": True}),
        (("intent 1", "intent 2", "settle 2"), {"1": False, "2": True}),
    ],
)
async def test_of_a_request_with_several_attempts_the_last_one_begun_is_final(
    written: tuple[str, ...], finals: dict[str, bool], tmp_path: Path
) -> None:
    """Whenever a process is killed between two attempts."""
    journal = Journal(JournalFolder.create(tmp_path, instance="r1", boot="b1"))
    for step in written:
        kind, number = step.split()
        event = replace(intent(number), attempt=int(number))
        if kind == "settle":
            # as `AttemptRecord` writes it when the next one has begun
            is_final = f"intent {int(number) + 1}" not in written
            await journal.settle(partial(_settled, event, is_final))
        elif kind == "checkpoint":
            journal.checkpoint(replace(event, http_status=503))
        else:
            journal.intent(event)
    journal.intent(replace(intent("other"), request_id="req_2"))
    await journal.close()
    journal.folder.release()
    folder = adopted(journal.folder.path)
    close_folder(folder)
    events = {event.event_id: event for event in terminal_events(journal.folder.path)}
    assert {event_id: event.is_final for event_id, event in events.items()} == {**finals, "other": True}
    folder.release()


def _settled(event: UsageEvent, is_final: bool, producer: str, sequence: int) -> UsageEvent:
    return replace(event, producer=producer, sequence=sequence, is_final=is_final, status="failed")
