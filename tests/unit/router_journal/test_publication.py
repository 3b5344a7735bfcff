"""What is published of a journal, in which portions, and what a failure sends again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway_router.journal import Journal
from gateway_router.journal.cursor import Cursor
from gateway_router.journal.folder import JournalFolder
from gateway_router.publication import MAX_BATCH_EVENTS, Batch, Extent, Publication
from gateway_shared.producer_mark import ProducerMark
from tests.unit.router_journal.events import intent, settled


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    journal = Journal(JournalFolder.create(tmp_path, instance="r1", boot="b1"), segment_bytes=20_000)
    yield journal
    await journal.close()
    journal.folder.release()


@pytest.fixture
def publication(journal: Journal) -> Publication:
    def extent() -> Extent:
        return Extent(journal.durable, journal.durable_sequence, is_closed=False)

    return Publication(journal.folder, Cursor(), extent)


async def settle(journal: Journal, count: int) -> None:
    for number in range(count):
        journal.intent(intent(f"e{number}"))
    await asyncio.gather(
        *(journal.settle(lambda p, s, n=number: settled(f"e{n}", p, s)) for number in range(count))  # type: ignore[misc]
    )


def all_batches(publication: Publication) -> list[Batch]:
    return list(iter(publication.next_batch, None))


async def test_only_terminal_records_travel_as_recorded_and_in_full_messages(
    journal: Journal, publication: Publication
) -> None:
    await settle(journal, 250)
    batches = all_batches(publication)
    assert [batch.events for batch in batches] == [MAX_BATCH_EVENTS, MAX_BATCH_EVENTS, 50]
    lines = b"\n".join(batch.body for batch in batches).split(b"\n")
    assert lines == [settled(f"e{n}", "r1/b1", n + 1).to_json() for n in range(250)]
    assert batches[1].message_id == "r1/b1:101-200"
    await settle(journal, 1)
    (batch,) = all_batches(publication)
    assert (batch.first_sequence, batch.last_sequence) == (251, 251)


async def test_what_is_not_durable_is_not_published(journal: Journal, publication: Publication) -> None:
    journal.intent(intent("other"))
    durable = journal.settle(lambda producer, sequence: settled("a", producer, sequence))
    assert publication.next_batch() is None
    await durable
    assert publication.next_batch() is not None


async def test_the_cursor_moves_over_confirms_without_a_gap_only(journal: Journal, publication: Publication) -> None:
    await settle(journal, 300)
    first, second, third = all_batches(publication)
    publication.confirm(second)
    assert publication.cursor.sequence == 0
    publication.confirm(first)
    assert publication.cursor.sequence == 200
    assert publication.unpublished == 100
    publication.confirm(third)
    assert not publication.has_backlog


async def test_after_a_failure_all_that_is_unconfirmed_is_sent_again(
    journal: Journal, publication: Publication
) -> None:
    await settle(journal, 300)
    first, _, third = all_batches(publication)
    publication.confirm(first)
    publication.confirm(third)
    publication.rewind()
    assert [(batch.first_sequence, batch.last_sequence) for batch in all_batches(publication)] == [
        (101, 200),
        (201, 300),
    ]


async def test_a_saved_cursor_resumes_where_it_was(journal: Journal, publication: Publication) -> None:
    await settle(journal, 150)
    first, _ = all_batches(publication)
    publication.confirm(first)
    publication.cursor.save(journal.folder.path)
    resumed = Publication(journal.folder, Cursor.load(journal.folder.path), publication.extent)
    (batch,) = all_batches(resumed)
    assert (batch.first_sequence, batch.last_sequence) == (101, 150)


async def test_what_is_read_as_it_is_written_crosses_from_segment_to_segment(
    journal: Journal, publication: Publication
) -> None:
    sequences: list[int] = []
    for number in range(60):  # the reader opens each segment when it has one record, and 20 kB more are to come
        journal.intent(intent(f"e{number}"))
        await journal.settle(lambda p, s, n=number: settled(f"e{n}", p, s))  # type: ignore[misc]
        sequences += [batch.last_sequence for batch in all_batches(publication)]
    assert journal.durable.segment > 2
    assert sequences == list(range(1, 61))


async def test_a_mark_travels_behind_the_events_it_covers_when_one_is_wanted(
    journal: Journal, publication: Publication
) -> None:
    publication.want_mark()
    assert publication.next_batch() is None, "no event, no mark"
    await settle(journal, 150)
    first, second = all_batches(publication)
    assert (sequence_marked(first), sequence_marked(second)) == (100, None)
    publication.want_mark()
    (alone,) = all_batches(publication)
    assert (alone.events, sequence_marked(alone)) == (0, 150)
    for batch in (first, second, alone):
        publication.confirm(batch)
    publication.want_mark()
    assert publication.next_batch() is None, "it would say nothing new"
    assert not publication.has_backlog


async def test_a_mark_that_was_not_confirmed_is_sent_again(journal: Journal, publication: Publication) -> None:
    await settle(journal, 20)
    publication.want_mark()
    (batch,) = all_batches(publication)
    assert sequence_marked(batch) == 20
    publication.rewind()
    (batch,) = all_batches(publication)
    assert sequence_marked(batch) == 20


async def test_a_closed_journal_ends_with_a_mark_and_is_not_finished_before_it_arrived(
    journal: Journal, publication: Publication
) -> None:
    await settle(journal, 120)
    await journal.close()
    publication.extent = lambda: Extent(journal.durable, 120, is_closed=True)
    first, second = all_batches(publication)
    assert (sequence_marked(first), sequence_marked(second)) == (None, 120)
    assert second.mark is not None
    assert second.mark.closed
    publication.confirm(first)
    assert publication.has_backlog
    assert not publication.cursor.is_finished
    publication.confirm(second)
    assert publication.cursor.is_finished
    assert not publication.has_backlog

    publication.cursor.save(journal.folder.path)
    resumed = Publication(journal.folder, Cursor.load(journal.folder.path), publication.extent)
    assert resumed.next_batch() is None, "said once"


async def test_events_that_arrived_without_their_closing_mark_get_it_from_the_next_process(
    journal: Journal, publication: Publication
) -> None:
    await settle(journal, 20)
    await journal.close()
    closed = Cursor(journal.durable, 20, 0, 20)
    resumed = Publication(journal.folder, closed, lambda: Extent(journal.durable, 20, is_closed=True))
    (batch,) = all_batches(resumed)
    assert (batch.events, sequence_marked(batch)) == (0, 20)


def sequence_marked(batch: Batch) -> int | None:
    """Of the mark on the message's last line."""
    last = batch.body.rsplit(b"\n", 1)[-1]
    if batch.mark is None:
        assert b"producer_mark" not in batch.body
        return None
    assert ProducerMark.from_json(last) == batch.mark
    return batch.mark.sequence
