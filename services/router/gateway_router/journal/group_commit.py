"""Group commit: one thread that calls fdatasync for many records at once.

The loop appends and collects; a group is handed over when it is full, or old enough. While one group
is being synced the next ones gather, and the thread takes all of them in one go.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway_router.journal.segment import Position, SegmentWriter, sync_directory
from gateway_router.metering_metrics import FSYNC_SECONDS


@dataclass(slots=True)
class CommitGroup:
    """Records that become durable together.

    `settled` holds each settle's future and the number of the segment with its call's intent;
    `filled` are the segments that were filled meanwhile, to be synced and closed.
    """

    writer: SegmentWriter
    settled: list[tuple[asyncio.Future[None], int]] = field(default_factory=list)
    filled: list[SegmentWriter] = field(default_factory=list)
    is_new_segment: bool = False
    end: Position = field(default_factory=Position)
    last_sequence: int = 0


class CommitThread:
    """Calls `committed(groups)` or `failed(error)` on the loop; after a failure it does nothing any more."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        committed: Callable[[list[CommitGroup]], None],
        failed: Callable[[OSError], None],
    ) -> None:
        self._loop = loop
        self._committed = committed
        self._failed = failed
        self._groups: queue.SimpleQueue[CommitGroup | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal-commit", daemon=True)
        self._thread.start()

    def submit(self, group: CommitGroup) -> None:
        self._groups.put(group)

    def stop(self) -> None:
        """Ends the thread once everything that was submitted is done."""
        self._groups.put(None)

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        while groups := self._take():
            try:
                self._sync(groups)
            except OSError as error:
                # the pages may be gone from the cache and marked clean: a second fsync would lie
                self._loop.call_soon_threadsafe(self._failed, error)
                return
            self._loop.call_soon_threadsafe(self._committed, groups)

    def _take(self) -> list[CommitGroup]:
        """All groups that wait, at least one; none at the end."""
        first = self._groups.get()
        if first is None:
            return []
        groups = [first]
        while not self._groups.empty():
            group = self._groups.get()
            if group is None:
                self._groups.put(None)
                break
            groups.append(group)
        return groups

    def _sync(self, groups: list[CommitGroup]) -> None:
        started_s = time.perf_counter()
        for group in groups:
            for writer in group.filled:
                writer.sync()
                writer.close()
            if group.is_new_segment:
                sync_directory(group.writer.segment.path.parent)
        groups[-1].writer.sync()
        FSYNC_SECONDS.observe(time.perf_counter() - started_s)
