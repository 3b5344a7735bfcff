"""The journal of this process: appends on the loop, durable by group commit.

Measured: write(2) of one frame takes 4-6 µs, also while another thread is in fdatasync on the same
file (p99 41 µs), so every append is made on the loop itself; only fdatasync is not.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from gateway_router.journal.folder import JournalFolder
from gateway_router.journal.frame import FrameKind, encode
from gateway_router.journal.group_commit import CommitGroup, CommitThread
from gateway_router.journal.segment import DEFAULT_SEGMENT_BYTES, Position, SegmentWriter
from gateway_router.metering_metrics import APPENDS, FAILED, OPEN_INTENTS
from gateway_shared.errors import JournalUnavailable
from gateway_shared.multiprocess_metrics import compute
from gateway_shared.usage_event import UsageEvent

GROUP_RECORDS = 64
GROUP_DELAY_S = 0.002

_APPENDED = {kind: APPENDS.labels(kind=kind.name.lower()) for kind in FrameKind}


class Journal:
    """All methods belong to the loop's thread.

    `failed` is done, with the error, once a write or an fsync has failed: nothing is accepted any
    more and the process must end (RELIABILITY: mechanism 1). `durable` is where the durable part
    ends, `durable_sequence` its last terminal record; `on_durable` is called when they have moved.
    """

    def __init__(self, folder: JournalFolder, *, segment_bytes: int = DEFAULT_SEGMENT_BYTES) -> None:
        self._loop = asyncio.get_running_loop()
        self.folder = folder
        self.producer = folder.producer
        self.failed: asyncio.Future[OSError] = self._loop.create_future()
        self.on_durable: Callable[[], None] = _nothing
        self.durable_sequence = 0
        self._segment_bytes = segment_bytes
        self._sequence = 0
        self._open: dict[str, int] = {}
        self._writer = SegmentWriter.create(folder.path, number=1, first_sequence=1)
        self.durable = Position(segment=1)
        self._group = CommitGroup(self._writer, is_new_segment=True)
        self._submitted: deque[CommitGroup] = deque()
        self._group_timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._commits = CommitThread(self._loop, committed=self._committed, failed=self._fail)
        compute(OPEN_INTENTS, lambda: len(self._open))
        FAILED.set(0)

    @classmethod
    def open(cls, journal_dir: Path, *, instance: str, boot: str | None = None) -> Self:
        """A new, empty journal for this process. Raises FolderNameInvalid, OSError."""
        boot = boot or f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        return cls(JournalFolder.create(journal_dir, instance=instance, boot=boot))

    @property
    def oldest_open_segment(self) -> int:
        """Recovery has to look for calls that were cut off from this segment on."""
        waiting = [number for group in (*self._submitted, self._group) for _, number in group.settled]
        return min((*self._open.values(), *waiting), default=self.durable.segment)

    def intent(self, event: UsageEvent) -> None:
        """Before the provider is called: write(2) has returned. Raises JournalUnavailable.

        `event` is what stands if nothing more is heard of the call; its sequence does not count.
        """
        self._append(FrameKind.INTENT, 0, event.to_json())
        self._open[event.event_id] = self._writer.segment.number

    def checkpoint(self, event: UsageEvent) -> None:
        """In a long stream: `event` replaces what the intent said. Raises JournalUnavailable.

        Nothing is written for a call that is settled: its terminal record stays its last.
        """
        if event.event_id in self._open:
            self._append(FrameKind.CHECKPOINT, 0, event.to_json())

    def settle(self, build: Callable[[str, int], UsageEvent]) -> asyncio.Future[None]:
        """Appends the call's terminal record; the future is done when it is durable.

        `build(producer, sequence)` is called at once; if it raises, so does this and the sequence
        is given to the next one. Raises JournalUnavailable; the future may carry it too.
        """
        sequence = self._sequence + 1
        event = build(self.producer, sequence)
        self._append(FrameKind.SETTLE, sequence, event.to_json())
        self._sequence = sequence
        durable: asyncio.Future[None] = self._loop.create_future()
        opened_in = self._open.pop(event.event_id, self._writer.segment.number)
        self._group.settled.append((durable, opened_in))
        self._schedule_commit()
        return durable

    async def close(self) -> None:
        """Makes everything durable and ends the thread; the folder's lock stays held."""
        if self._closing:
            return
        self._closing = True
        self._submit()
        self._commits.stop()
        await asyncio.to_thread(self._commits.join)
        self._writer.close()

    def _append(self, kind: FrameKind, sequence: int, payload: bytes) -> None:
        if self._closing or self.failed.done():
            raise JournalUnavailable
        frame = encode(kind, sequence, payload)
        try:
            if self._writer.size_bytes + len(frame) > self._segment_bytes and self._writer.size_bytes:
                self._start_segment()
            self._writer.append(frame)
        except OSError as error:
            self._fail(error)
            raise JournalUnavailable from error
        _APPENDED[kind].inc()

    def _start_segment(self) -> None:
        writer = SegmentWriter.create(
            self.folder.path, number=self._writer.segment.number + 1, first_sequence=self._sequence + 1
        )
        self._group.filled.append(self._writer)
        self._group.writer = self._writer = writer
        self._group.is_new_segment = True

    def _schedule_commit(self) -> None:
        # a lone call waits for nobody; with others open, a short delay lets them share one fdatasync
        if len(self._group.settled) >= GROUP_RECORDS or not self._open:
            self._submit()
        elif self._group_timer is None:
            self._group_timer = self._loop.call_later(GROUP_DELAY_S, self._submit)

    def _submit(self) -> None:
        if self._group_timer is not None:
            self._group_timer.cancel()
            self._group_timer = None
        if self.failed.done():
            return
        group, self._group = self._group, CommitGroup(self._writer)
        group.end = self._writer.end
        group.last_sequence = self._sequence
        self._submitted.append(group)
        self._commits.submit(group)

    def _committed(self, groups: list[CommitGroup]) -> None:
        self.durable = groups[-1].end
        self.durable_sequence = groups[-1].last_sequence
        for group in groups:
            self._submitted.popleft()
            for durable, _ in group.settled:
                if not durable.done():
                    durable.set_result(None)
        self.on_durable()

    def _fail(self, error: OSError) -> None:
        if self.failed.done():
            return
        FAILED.set(1)
        self.failed.set_result(error)
        for group in (*self._submitted, self._group):
            for durable, _ in group.settled:
                if not durable.done():
                    durable.set_exception(JournalUnavailable())


def _nothing() -> None:
    """Nobody listens yet."""
