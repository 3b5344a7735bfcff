"""One journal's way to the broker: what was read, what is on its way, what is confirmed."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from gateway_router.backlog_age import BacklogAge
from gateway_router.journal.cursor import Cursor
from gateway_router.journal.folder import JournalFolder
from gateway_router.journal.frame import FrameKind
from gateway_router.journal.reader import JournalReader
from gateway_router.journal.segment import Position

MAX_BATCH_EVENTS = 100
MAX_BATCH_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Extent:
    """Where what may be published ends: the position, and the sequence of the last event before it.

    `is_closed`: nothing will follow.
    """

    end: Position
    last_sequence: int
    is_closed: bool


@dataclass(eq=False, slots=True)
class Batch:
    """Events that travel in one message, in the producer's order; `body` is NDJSON as recorded."""

    publication: "Publication"
    body: bytes
    events: int
    first_sequence: int
    last_sequence: int
    end: Position
    is_confirmed: bool = False

    @property
    def message_id(self) -> str:
        return f"{self.publication.folder.producer}:{self.first_sequence}-{self.last_sequence}"


class Publication:
    """`extent` is asked anew each time: the own journal grows, an adopted one does not.

    `scan_from` answers with the segment from which on calls may be open, for the cursor. `position`
    and `sequence` are behind the last event that was confirmed without a gap.
    """

    def __init__(
        self,
        folder: JournalFolder,
        cursor: Cursor,
        extent: Callable[[], Extent],
        *,
        scan_from: Callable[[], int] | None = None,
    ) -> None:
        self.folder = folder
        self.extent = extent
        self._scan_from = scan_from or (lambda: cursor.scan_from)
        self.position = cursor.position
        self.sequence = cursor.sequence
        self.age = BacklogAge()
        self._reader = JournalReader(folder.path, cursor.position)
        self._read: deque[tuple[Position, int, bytes]] = deque()
        self._in_flight: deque[Batch] = deque()

    @property
    def unpublished(self) -> int:
        return self.extent().last_sequence - self.sequence

    @property
    def is_exhausted(self) -> bool:
        """Everything that can be read has been confirmed."""
        return not self._in_flight and not self._read and self._reader.position >= self.extent().end

    @property
    def has_backlog(self) -> bool:
        return self.unpublished > 0 and not self.is_exhausted

    @property
    def cursor(self) -> Cursor:
        """What to save. A closed journal with nothing left to read is finished, even if records were damaged."""
        extent = self.extent()
        if not extent.is_closed:
            return Cursor(self.position, self.sequence, self._scan_from())
        sequence = extent.last_sequence if self.is_exhausted else self.sequence
        return Cursor(self.position, sequence, self._scan_from(), extent.last_sequence)

    def next_batch(self) -> Batch | None:
        """What is there, up to 100 events or 1 MiB (one event at least); None when nothing is."""
        self._fill()
        taken: list[tuple[Position, int, bytes]] = []
        size_bytes = 0
        while self._read and len(taken) < MAX_BATCH_EVENTS:
            size_bytes += len(self._read[0][2])
            if taken and size_bytes > MAX_BATCH_BYTES:
                break
            taken.append(self._read.popleft())
            self._fill()
        if not taken:
            return None
        body = b"\n".join(payload for _, _, payload in taken)
        batch = Batch(self, body, len(taken), taken[0][1], taken[-1][1], taken[-1][0])
        self._in_flight.append(batch)
        return batch

    def confirm(self, batch: Batch) -> None:
        """Moves on over what is confirmed without a gap."""
        batch.is_confirmed = True
        while self._in_flight and self._in_flight[0].is_confirmed:
            done = self._in_flight.popleft()
            self.position, self.sequence = done.end, done.last_sequence
        self.age.confirmed(self.sequence)

    def rewind(self) -> None:
        """Back to what is confirmed: the rest is sent again."""
        self._in_flight.clear()
        self._read.clear()
        self._reader.seek(self.position)

    def note_growth(self) -> None:
        extent = self.extent()
        if extent.last_sequence > self.sequence:
            self.age.appended(extent.last_sequence, now_s=time.monotonic())

    def close(self) -> None:
        self._reader.close()

    def _fill(self) -> None:
        if self._read:
            return
        limit = self.extent().end
        while not self._read and (frames := self._reader.read(limit)):
            number = self._reader.position.segment
            self._read.extend(
                (Position(number, frame.end), frame.sequence, frame.payload)
                for frame in frames
                if frame.kind is FrameKind.SETTLE
            )
