"""One journal's way to the broker: what was read, what is on its way, what is confirmed.

Behind the events travel the producer's marks: one now and then, and a last one when nothing will follow.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway_router.backlog_age import BacklogAge
from gateway_router.journal.cursor import Cursor
from gateway_router.journal.folder import JournalFolder
from gateway_router.journal.frame import FrameKind
from gateway_router.journal.reader import JournalReader
from gateway_router.journal.segment import Position
from gateway_router.marking import Marking
from gateway_shared.producer_mark import ProducerMark

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
    """What travels in one message, in the producer's order; `body` is NDJSON, events as recorded.

    `mark` is its last line, and speaks of all events up to there; a batch may be a mark alone.
    """

    publication: "Publication"
    body: bytes
    events: int
    first_sequence: int
    last_sequence: int
    end: Position
    mark: ProducerMark | None = None
    is_confirmed: bool = False

    @property
    def message_id(self) -> str:
        mark = " mark" if self.mark else ""
        return f"{self.publication.folder.producer}:{self.first_sequence}-{self.last_sequence}{mark}"


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
        self._known_sequence = cursor.sequence
        self._marking = Marking(folder.producer, is_closed=cursor.is_marked)
        self._reader = JournalReader(folder.path, cursor.position)
        self._read: deque[tuple[Position, int, bytes]] = deque()
        self._taken = (self.position, self.sequence)
        self._in_flight: deque[Batch] = deque()

    @property
    def unpublished(self) -> int:
        return self.extent().last_sequence - self.sequence

    @property
    def is_exhausted(self) -> bool:
        """Everything that can be read has been confirmed, and the end of a closed journal marked."""
        extent = self.extent()
        is_marked = self._marking.is_closed or not extent.is_closed or not extent.last_sequence
        return is_marked and not self._in_flight and self._is_read_up

    @property
    def has_backlog(self) -> bool:
        return not self.is_exhausted and (self.unpublished > 0 or self.extent().is_closed)

    @property
    def cursor(self) -> Cursor:
        """What to save. A closed journal with nothing left to read is finished, even if records were damaged."""
        extent = self.extent()
        if not extent.is_closed:
            return Cursor(self.position, self.sequence, self._scan_from())
        sequence = extent.last_sequence if self.is_exhausted else self.sequence
        return Cursor(self.position, sequence, self._scan_from(), extent.last_sequence, self._marking.is_closed)

    def want_mark(self) -> None:
        """The next batch says how far the producer has come, if that is news."""
        self._marking.want()

    def next_batch(self) -> Batch | None:
        """What is there, up to 100 events or 1 MiB (one event at least), or a mark; None when nothing is."""
        events = self._take()
        first_sequence = events[0][1] if events else self._taken[1]
        if events:
            self._taken = (events[-1][0], max(self._taken[1], events[-1][1]))
        mark = self._mark()
        if not events and mark is None:
            return None
        lines = [payload for _, _, payload in events]
        if mark is not None:
            lines.append(mark.to_json())
        end, last_sequence = self._taken
        batch = Batch(self, b"\n".join(lines), len(events), first_sequence, last_sequence, end, mark)
        self._in_flight.append(batch)
        return batch

    def confirm(self, batch: Batch) -> int:
        """Moves on over what is confirmed without a gap; how many events that are."""
        batch.is_confirmed = True
        events = 0
        while self._in_flight and self._in_flight[0].is_confirmed:
            done = self._in_flight.popleft()
            self.position, self.sequence = done.end, done.last_sequence
            events += done.events
            if done.mark is not None:
                self._marking.confirm(done.mark)
        self.age.confirmed(self.sequence)
        return events

    def rewind(self) -> None:
        """Back to what is confirmed: the rest is sent again."""
        self._in_flight.clear()
        self._read.clear()
        self._taken = (self.position, self.sequence)
        self._marking.rewind()
        self._reader.seek(self.position)

    def note_growth(self) -> int:
        """How many events there are more than the last time."""
        last_sequence = self.extent().last_sequence
        if last_sequence > self.sequence:
            self.age.appended(last_sequence, now_s=time.monotonic())
        grown = last_sequence - self._known_sequence
        self._known_sequence = last_sequence
        return grown

    def close(self) -> None:
        self._reader.close()

    @property
    def _is_read_up(self) -> bool:
        return not self._read and self._reader.position >= self.extent().end

    def _mark(self) -> ProducerMark | None:
        """Of what has been taken; of all that there ever was, once the end has."""
        extent = self.extent()
        closed = extent.is_closed and self._is_read_up
        sequence = extent.last_sequence if closed else self._taken[1]
        return self._marking.behind(sequence, closed=closed, now=datetime.now(UTC))

    def _take(self) -> list[tuple[Position, int, bytes]]:
        self._fill()
        taken: list[tuple[Position, int, bytes]] = []
        size_bytes = 0
        while self._read and len(taken) < MAX_BATCH_EVENTS:
            size_bytes += len(self._read[0][2])
            if taken and size_bytes > MAX_BATCH_BYTES:
                break
            taken.append(self._read.popleft())
            self._fill()
        return taken

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
