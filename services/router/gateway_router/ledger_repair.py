"""Publishes again what the broker confirmed and the ledger lacks, from the journals here, without an operator.

A queue that is deleted takes what it had confirmed with it, a wiped database what it had recorded (RELIABILITY: F4,
F20). When in doubt an event is sent once more: the ledger's key drops what it has. Larger losses come back step by
step; `replay` does it at once.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway_router.broker_link import BrokerLink, PublishFailed, open_link
from gateway_router.journal.cursor import Cursor
from gateway_router.journal.folder import boot_folders
from gateway_router.ledger_progress import LedgerProgress
from gateway_router.lost_events import LostEvents
from gateway_router.metering_metrics import REPAIRED
from gateway_router.replay import messages_of
from gateway_shared import canonical_log
from gateway_shared.errors import DatabaseUnavailable
from gateway_shared.producer_mark import ProducerMark
from gateway_shared.tls import TlsFiles

MAX_EVENTS_A_LOOK = 20_000
EVENTS_A_READ = 2_000
SENT_AGAIN = "events missing from the ledger published again"


@dataclass(frozen=True, slots=True)
class Published:
    """A journal and what the broker has confirmed of it; `is_closed`: nothing follows."""

    path: Path
    confirmed: int
    is_closed: bool


@dataclass(frozen=True, slots=True)
class _Loss:
    """What to send again of one producer; its mark alone where no part is named."""

    producer: str
    journal: Published
    parts: list[range]


class LedgerRepair:
    """Of the own journal, and of all under `journal_dir` that are closed and published."""

    def __init__(self, journal_dir: Path, progress: LedgerProgress, url: str, files: TlsFiles) -> None:
        self._journal_dir = journal_dir
        self._progress = progress
        self._url, self._files = url, files
        self._producers = defaultdict[str, LostEvents](LostEvents)

    async def look(self, own: str, journal: Published) -> None:
        """To be called every half a minute or so. With the database or the broker away nothing is done."""
        journals = {own: journal, **await asyncio.to_thread(_published, self._journal_dir)}
        for gone in self._producers.keys() - journals.keys():
            del self._producers[gone]
        due = {producer: journal for producer, journal in journals.items() if self._producers[producer].is_due()}
        try:
            losses = await self._losses(due)
        except DatabaseUnavailable:
            for producer in due:
                self._producers[producer].not_told()
            return  # what is missing now still is when it is back
        if not losses:
            return
        try:
            async with open_link(self._url, self._files) as link:
                for loss in losses:
                    await self._publish(link, loss)
        except PublishFailed as error:
            canonical_log.warning("lost events not published again", result=str(error))

    async def _losses(self, journals: dict[str, Published]) -> list[_Loss]:
        ledger_has = await self._progress.has(list(journals))
        behind = [
            producer
            for producer, journal in journals.items()
            if self._producers[producer].is_behind(confirmed=journal.confirmed, ledger_has=ledger_has.get(producer, 0))
        ]
        missing = await self._progress.misses(behind) if behind else {}
        losses = []
        for producer in behind:
            parts = self._producers[producer].to_publish(missing.get(producer, []))
            if parts is not None:
                losses.append(_Loss(producer, journals[producer], parts))
        return losses

    async def _publish(self, link: BrokerLink, loss: _Loss) -> None:
        if not loss.parts:
            mark = ProducerMark(
                producer=loss.producer,
                sequence=loss.journal.confirmed,
                closed=loss.journal.is_closed,
                marked_at=datetime.now(UTC),
            )
            await link.publish(mark.to_json(), message_id=f"{loss.producer}:{mark.sequence} again mark")
            return
        events = 0
        async for body, numbers in _messages(loss.journal.path, loss.parts):
            await link.publish(body, message_id=f"{loss.producer}:{numbers[0]}-{numbers[-1]} again")
            events += len(numbers)
            REPAIRED.inc(len(numbers))
        canonical_log.warning(
            SENT_AGAIN,
            producer=loss.producer,
            missing_events=sum(map(len, loss.parts)),
            published_events=events,  # fewer where the journal was damaged, or more is lost than goes at one time
            first_sequence=loss.parts[0].start,
            last_sequence=loss.parts[-1].stop - 1,
        )


async def _messages(folder: Path, parts: Iterable[range]) -> AsyncIterator[tuple[bytes, list[int]]]:
    """Bodies of messages, and the numbers in them. Raises OSError."""
    left = MAX_EVENTS_A_LOOK
    for part in parts:
        for start in range(part.start, part.stop, EVENTS_A_READ):
            stop = min(start + min(EVENTS_A_READ, left), part.stop)
            if start == stop:
                return
            left -= stop - start
            for message in await asyncio.to_thread(messages_of, folder, first=start, last=stop - 1):
                yield b"\n".join(frame.payload for frame in message), [frame.sequence for frame in message]


def _published(journal_dir: Path) -> dict[str, Published]:
    """Those that nothing is appended to any more, and whose last mark the broker has confirmed. Blocking."""
    found = {}
    for path in boot_folders(journal_dir):
        cursor = Cursor.load(path)
        if cursor.is_finished:
            found[f"{path.parent.name}/{path.name}"] = Published(path, cursor.sequence, is_closed=True)
    return found
