"""The journals' background: publishing, saving cursors, adopting dead processes' folders, retention."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from gateway_router.adoption import Adoption, closed_extent
from gateway_router.journal import Journal
from gateway_router.journal.cursor import Cursor
from gateway_router.journal.recovery import close_folder
from gateway_router.ledger_progress import LedgerProgress
from gateway_router.ledger_repair import LedgerRepair, Published
from gateway_router.metering_metrics import OLDEST_UNPUBLISHED_S, UNACCOUNTED, UNPUBLISHED
from gateway_router.publication import Extent, Publication
from gateway_router.publisher import Publisher
from gateway_router.retention import expired_folders, prune_folder, removable_segments, remove_segments
from gateway_shared import canonical_log
from gateway_shared.errors import DatabaseUnavailable, JournalUnavailable
from gateway_shared.multiprocess_metrics import compute

CURSOR_EVERY_S = 1.0
MARK_EVERY_S = 5.0
ADOPT_EVERY_S = 5.0
ROOM_EVERY_S = 1.0
RETENTION_EVERY_S = 60.0
REPAIR_EVERY_S = 30.0


class JournalUpkeep:
    """Works from its making on one journal of its own and on all that it adopts under `journal_dir`."""

    def __init__(
        self,
        journal: Journal,
        journal_dir: Path,
        publisher: Publisher,
        progress: LedgerProgress,
        repair: LedgerRepair,
        *,
        keep_s: float,
    ) -> None:
        self._journal = journal
        self._journal_dir = journal_dir
        self._publisher = publisher
        self._progress = progress
        self._repair = repair
        self._keep_s = keep_s
        self._adoption = Adoption(journal_dir)
        self._saved: dict[Publication, Cursor] = {}
        self._saving = asyncio.Lock()
        self._own = Publication(
            journal.folder, Cursor(), self._own_extent, scan_from=lambda: journal.oldest_open_segment
        )
        publisher.add(self._own)
        journal.on_durable = partial(publisher.note_growth, self._own)
        compute(UNPUBLISHED, lambda: publisher.unpublished)
        compute(UNACCOUNTED, lambda: publisher.unaccounted)
        compute(OLDEST_UNPUBLISHED_S, self._oldest_unpublished_s)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publisher.run())
            tasks.create_task(_every(CURSOR_EVERY_S, self.save_cursors))
            tasks.create_task(_every(MARK_EVERY_S, self.mark))
            tasks.create_task(_every(ROOM_EVERY_S, self._journal.look_for_room))
            tasks.create_task(_every(ADOPT_EVERY_S, self.adopt))
            tasks.create_task(_every(RETENTION_EVERY_S, self.remove_expired))
            tasks.create_task(_every(REPAIR_EVERY_S, self.repair))

    def facts(self) -> dict[str, object]:
        return {
            "usage": {
                "broker": "connected" if self._publisher.is_connected else "away",
                "unpublished_events": self._publisher.unpublished,
                "oldest_unpublished_s": round(self._oldest_unpublished_s(), 1),
                "adopted_journals": len(self._publisher.publications) - 1,
            }
        }

    async def finish(self, *, timeout_s: float) -> None:
        """No more records: closes the own journal and gives the publisher a last chance."""
        await self._journal.close()
        if not self._journal.failed.done():
            await self._close_own()
        drained = asyncio.ensure_future(self._publisher.drained())
        await asyncio.wait({drained}, timeout=timeout_s)
        drained.cancel()
        try:
            await self.save_cursors()
        except OSError as error:
            canonical_log.exception("cursors not saved", error)  # what they do not know is published again

    def release(self) -> None:
        """Gives up all locks; what is not published is adopted by the next process."""
        for publication in self._publisher.publications:
            publication.close()
            if publication.cursor.last_sequence == 0:
                publication.folder.remove()
            else:
                publication.folder.release()

    async def save_cursors(self) -> None:
        """Saves what has moved, and lets go of adopted journals that are finished."""
        async with self._saving:
            for publication in list(self._publisher.publications):
                cursor = publication.cursor
                if cursor != self._saved.get(publication):
                    await asyncio.to_thread(cursor.save, publication.folder.path)
                    self._saved[publication] = cursor
                if cursor.is_finished and publication is not self._own:
                    self._publisher.remove(publication)
                    self._saved.pop(publication)
                    publication.close()
                    publication.folder.release()

    async def mark(self) -> None:
        self._publisher.want_marks()

    async def adopt(self) -> None:
        for publication in await asyncio.to_thread(self._adoption.adopt):
            self._publisher.add(publication)

    async def repair(self) -> None:
        """Sends again what the ledger lacks."""
        own = Published(self._journal.folder.path, self._own.sequence, is_closed=False)
        await self._repair.look(self._journal.producer, own)

    async def remove_expired(self) -> None:
        """With the database away nothing is removed."""
        older_than_s = time.time() - self._keep_s
        own = await asyncio.to_thread(
            removable_segments, self._own.folder.path, self._own.cursor, older_than_s=older_than_s
        )
        expired = await asyncio.to_thread(expired_folders, self._journal_dir, older_than_s=older_than_s)
        if not own and not expired:
            return
        try:
            ledger_has = await self._progress.has([self._journal.producer, *expired])
        except DatabaseUnavailable:
            canonical_log.warning("journal retention waits for the database", folders=len(expired))
            return
        await asyncio.to_thread(remove_segments, own, ledger_has=ledger_has.get(self._journal.producer, 0))
        for producer, path in expired.items():
            await asyncio.to_thread(
                prune_folder, path, ledger_has=ledger_has.get(producer, 0), older_than_s=older_than_s
            )

    async def _close_own(self) -> None:
        try:
            await self.save_cursors()
            cursor = await asyncio.to_thread(close_folder, self._journal.folder)
        except (OSError, JournalUnavailable) as error:
            canonical_log.exception("journal not closed", error, producer=self._journal.producer)
            return
        extent = closed_extent(self._journal.folder, cursor)
        self._own.extent = lambda: extent
        self._publisher.note_growth(self._own)

    def _own_extent(self) -> Extent:
        journal = self._journal
        return Extent(journal.durable, journal.durable_sequence, is_closed=False)

    def _oldest_unpublished_s(self) -> float:
        now_s = time.monotonic()
        return max(publication.age.oldest_s(now_s=now_s) for publication in self._publisher.publications)


async def _every(period_s: float, action: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await action()
        except OSError as error:
            # a full disk, for one: this is upkeep, and the calls' own records are not concerned
            canonical_log.exception("journal upkeep failed", error)
        await asyncio.sleep(period_s)
