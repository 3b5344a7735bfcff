"""The journal of this process: appends on the loop, durable by group commit.

Measured: write(2) of one frame takes 4-6 µs, also while another thread is in fdatasync on the same
file (p99 41 µs), so every append is made on the loop itself; only fdatasync is not.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, Self

from gateway_router.journal.folder import JournalFolder
from gateway_router.journal.frame import FrameKind, encode
from gateway_router.journal.group_commit import CommitGroup, CommitThread
from gateway_router.journal.reserve import DiskReserve
from gateway_router.journal.segment import DEFAULT_SEGMENT_BYTES, DiskFull, Position, SegmentWriter
from gateway_router.metering_metrics import APPENDS, FAILED, HAS_ROOM, OPEN_INTENTS
from gateway_shared import canonical_log
from gateway_shared.errors import JournalUnavailable
from gateway_shared.multiprocess_metrics import compute

GROUP_RECORDS = 64
GROUP_DELAY_S = 0.002

_APPENDED = {kind: APPENDS.labels(kind=kind.name.lower()) for kind in FrameKind}


class Record(Protocol):
    """What is written of a call: a `gateway_shared.usage_event.UsageEvent`, or what reads like one."""

    @property
    def event_id(self) -> str: ...
    def to_json(self) -> bytes: ...


Build = Callable[[str, int], Record]
"""A call's terminal record, given producer and sequence."""


class Journal:
    """All methods belong to the loop's thread.

    `failed` is done, with the error, once a write or an fsync has failed: nothing is accepted any
    more and the process must end (RELIABILITY: mechanism 1). `durable` is where the durable part
    ends, `durable_sequence` its last terminal record; `on_durable` is called when they have moved.

    Without room on the disk (`has_room`) no new call is taken; those in flight are written into the
    reserve. Somebody calls `look_for_room` now and then.
    """

    def __init__(
        self,
        folder: JournalFolder,
        *,
        segment_bytes: int = DEFAULT_SEGMENT_BYTES,
        reserve_bytes: int = 0,
    ) -> None:
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
        self._reserve = DiskReserve(folder.path, reserve_bytes)
        self._owed: dict[str, Build] = {}
        self.has_room = self._reserve.has_room()
        HAS_ROOM.set(self.has_room)
        self._commits = CommitThread(self._loop, committed=self._committed, failed=self._fail)
        compute(OPEN_INTENTS, lambda: len(self._open))
        FAILED.set(0)

    @classmethod
    def open(
        cls,
        journal_dir: Path,
        *,
        instance: str,
        boot: str | None = None,
        reserve_bytes: int = 0,
    ) -> Self:
        """A new, empty journal for this process. Raises FolderNameInvalid, DiskFull, OSError."""
        boot = boot or f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        return cls(JournalFolder.create(journal_dir, instance=instance, boot=boot), reserve_bytes=reserve_bytes)

    @property
    def oldest_open_segment(self) -> int:
        """Recovery has to look for calls that were cut off from this segment on."""
        waiting = [number for group in (*self._submitted, self._group) for _, number in group.settled]
        return min((*self._open.values(), *waiting), default=self.durable.segment)

    def intent(self, record: Record) -> None:
        """Before the provider is called: write(2) has returned. Raises JournalUnavailable.

        `record` is what stands if nothing more is heard of the call; its sequence does not count.
        """
        if not self.has_room:
            raise DiskFull
        self._append(FrameKind.INTENT, 0, record.to_json())
        self._open[record.event_id] = self._writer.segment.number

    def checkpoint(self, record: Record) -> None:
        """In a long stream: `record` replaces what the intent said. Raises JournalUnavailable.

        Nothing is written for a call that is settled, whose terminal record stays its last, nor
        without room: what was written before stands, and the stream goes on.
        """
        if record.event_id in self._open and self.has_room:
            with suppress(DiskFull):
                self._append(FrameKind.CHECKPOINT, 0, record.to_json())

    def settle(self, build: Build) -> asyncio.Future[None]:
        """Appends the call's terminal record; the future is done when it is durable.

        `build(producer, sequence)` is called at once; if it raises, so does this and the sequence
        is given to the next one. Raises JournalUnavailable; the future may carry it too. What found
        no room, reserve and all, is written as soon as there is some.
        """
        sequence = self._sequence + 1
        record = build(self.producer, sequence)
        if self._owed:
            build = self._owed.pop(record.event_id, build)
            record = build(self.producer, sequence)
        try:
            self._append(FrameKind.SETTLE, sequence, record.to_json())
        except DiskFull:
            self._owed[record.event_id] = build
            raise
        self._sequence = sequence
        durable: asyncio.Future[None] = self._loop.create_future()
        opened_in = self._open.pop(record.event_id, self._writer.segment.number)
        self._group.settled.append((durable, opened_in))
        self._schedule_commit()
        return durable

    async def look_for_room(self) -> None:
        """Takes calls again, or no more; what is owed is written when there is room. Raises OSError."""
        has_room = await asyncio.to_thread(self._reserve.has_room)
        if self._closing or self.failed.done():
            return
        self._set_room(has_room)
        for build in list(self._owed.values()) if has_room else ():
            self.settle(build)

    async def close(self) -> None:
        """Makes everything durable and ends the thread; the folder's lock stays held."""
        if self._closing:
            return
        self._closing = True
        self._submit()
        self._commits.stop()
        await asyncio.to_thread(self._commits.join)
        self._writer.close()
        if not self.failed.done():  # on a disk that fails nothing can be removed either
            self._reserve.give_back()

    def _append(self, kind: FrameKind, sequence: int, payload: bytes) -> None:
        if self._closing or self.failed.done():
            raise JournalUnavailable
        frame = encode(kind, sequence, payload)
        try:
            self._write(frame)
        except DiskFull:
            self._set_room(False)
            if kind is not FrameKind.SETTLE or not self._reserve.give_back():
                raise
            self._write(frame)
        _APPENDED[kind].inc()

    def _write(self, frame: bytes) -> None:
        try:
            if self._writer.size_bytes + len(frame) > self._segment_bytes and self._writer.size_bytes:
                self._start_segment()
            self._writer.append(frame)
        except OSError as error:
            self._fail(error)
            raise JournalUnavailable from error

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

    def _set_room(self, has_room: bool) -> None:
        if has_room is not self.has_room:
            self.has_room = has_room
            HAS_ROOM.set(has_room)
            canonical_log.warning("journal disk", has_room=has_room)

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
