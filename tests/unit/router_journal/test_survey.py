"""What an operator sees of the journals, of living processes too."""

import asyncio
from pathlib import Path

import orjson
import pytest

from gateway_billing.journal_list import parse_journal_list
from gateway_billing.reconciliation import Held, Range
from gateway_router.__main__ import main
from gateway_router.journal import Journal
from gateway_router.journal.cursor import Cursor
from gateway_router.journal.folder import JournalFolder
from gateway_router.journal.recovery import close_folder
from gateway_router.journal.segment import list_segments
from gateway_router.journal.survey import settled_records, survey_all
from tests.unit.router_journal.events import intent, settled


async def journal_with(journal_dir: Path, boot: str, *, settles: int) -> Journal:
    """One call of it is open."""
    journal = Journal(JournalFolder.create(journal_dir, instance="r1", boot=boot), segment_bytes=5000)
    journal.intent(intent(f"{boot}-open"))
    for number in range(settles):
        journal.intent(intent(f"{boot}-{number}"))
    durable = [
        journal.settle(lambda p, s, n=number: settled(f"{boot}-{n}", p, s))  # type: ignore[misc]
        for number in range(settles)
    ]
    await asyncio.gather(*durable)
    return journal


async def close(journal: Journal) -> None:
    await journal.close()
    journal.folder.release()


async def test_each_journal_says_what_it_holds_and_in_which_state_it_is(tmp_path: Path) -> None:
    living = await journal_with(tmp_path, "b4", settles=30)
    dead = await journal_with(tmp_path, "b1", settles=3)
    await close(dead)
    unpublished = await journal_with(tmp_path, "b2", settles=20)
    await unpublished.close()
    close_folder(unpublished.folder)
    unpublished.folder.release()
    published = await journal_with(tmp_path, "b3", settles=20)
    await published.close()
    cursor = close_folder(published.folder)
    Cursor(cursor.position, 21, 0, 21, is_marked=True).save(published.folder.path)
    published.folder.release()
    for segment in list_segments(published.folder.path):
        segment.path.unlink()

    seen = [
        (one.producer, one.state, one.closed, one.first_sequence, one.last_sequence, one.ended, one.confirmed)
        for one in survey_all(tmp_path)
    ]
    assert seen == [
        ("r1/b1", "left", False, 1, 3, 3, 0),
        ("r1/b2", "closed", True, 1, 21, 21, 0),
        ("r1/b3", "published", True, None, None, 21, 21),
        ("r1/b4", "in use", False, 1, 30, 30, 0),
    ]
    await close(living)


async def test_a_journal_whose_first_segments_are_gone_holds_the_rest(tmp_path: Path) -> None:
    journal = await journal_with(tmp_path, "b1", settles=30)
    first, second, third, *_ = list_segments(journal.folder.path)
    first.path.unlink()
    second.path.unlink()
    (one,) = survey_all(tmp_path)
    assert (one.first_sequence, one.last_sequence, one.ended) == (third.first_sequence, 30, 30)
    await close(journal)


@pytest.mark.parametrize(("first", "last", "expected"), [(1, None, range(1, 31)), (7, 9, range(7, 10)), (31, None, [])])
async def test_any_part_of_the_numbering_can_be_read(
    tmp_path: Path, first: int, last: int | None, expected: range | list[int]
) -> None:
    journal = await journal_with(tmp_path, "b1", settles=30)
    assert [f.sequence for f in settled_records(journal.folder.path, first=first, last=last)] == list(expected)
    await close(journal)


async def test_the_list_is_what_billings_reconcile_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    journal = await journal_with(tmp_path, "b1", settles=30)
    monkeypatch.setattr("sys.argv", ["gateway_router", "journal", "list", "--json", "--journal", str(tmp_path)])
    assert main() == 0
    assert parse_journal_list(capfdbinary.readouterr().out) == [Held("r1/b1", Range(1, 30), 30)]
    await close(journal)


async def test_the_events_of_a_producer_are_shown_as_they_are_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    journal = await journal_with(tmp_path, "b1", settles=30)
    show = ["gateway_router", "journal", "show", "--journal", str(tmp_path), "--sequences", "29-", "--producer"]
    monkeypatch.setattr("sys.argv", [*show, "r1/b1"])
    assert main() == 0
    shown = [orjson.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert [(event["event_id"], event["sequence"]) for event in shown] == [("b1-28", 29), ("b1-29", 30)]
    monkeypatch.setattr("sys.argv", [*show, "r1/nobody"])
    assert main() == 1
    await close(journal)
