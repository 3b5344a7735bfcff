"""Recovery: a dead process's journal gets what it lacks, and is closed. Blocking; called in a thread.

Every intent that has no terminal record gets one, made of its last intent or checkpoint with the
producer's next sequence: what is known of the call, with the status that was written then. A terminal
record that can no longer be read is replaced in the same way, under its own number. An attempt after
which another of the same request had begun was not the final one.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain, count

import orjson

from gateway_router.journal.cursor import Cursor
from gateway_router.journal.folder import JournalFolder
from gateway_router.journal.frame import FrameKind, encode
from gateway_router.journal.reader import JournalReader
from gateway_router.journal.reserve import remove_reserve
from gateway_router.journal.segment import Position, SegmentWriter, list_segments, sync_directory
from gateway_router.metering_metrics import DAMAGED_BYTES, RECOVERED
from gateway_shared import canonical_log


@dataclass(slots=True)
class Found:
    """What a journal holds from where calls may be open.

    `open_calls`: the last known event of each call without a terminal record, by event id, oldest
    intent first. `last_attempts`: of requests with more than one, by request id. `missing`: sequences
    up to `last_sequence` whose terminal record cannot be read.
    """

    last_sequence: int
    open_calls: dict[str, dict[str, object]] = field(default_factory=dict)
    last_attempts: dict[str, int] = field(default_factory=dict)
    missing: list[int] = field(default_factory=list)


def close_folder(folder: JournalFolder) -> Cursor:
    """Appends the missing terminal records, saves the cursor with `last_sequence`, and returns it.

    Nothing happens to a folder that is closed already. Raises OSError, JournalUnavailable.
    """
    cursor = Cursor.load(folder.path)
    if cursor.last_sequence is not None:
        return cursor
    remove_reserve(folder.path)
    found = _scan(folder, cursor)
    # a terminal record that was damaged leaves its call open: its number is used again, and is not missing
    sequences = chain(found.missing, count(found.last_sequence + 1))
    last_sequence = found.last_sequence + max(0, len(found.open_calls) - len(found.missing))
    if found.open_calls:
        _append_terminals(folder, zip(sequences, found.open_calls.values(), strict=False), found.last_sequence + 1)
    closed = Cursor(cursor.position, cursor.sequence, cursor.scan_from, last_sequence)
    closed.save(folder.path)
    RECOVERED.inc(len(found.open_calls))
    return closed


def _scan(folder: JournalFolder, cursor: Cursor) -> Found:
    """Cuts a torn tail off. Raises OSError."""
    segments = list_segments(folder.path)
    if not segments:
        return Found(cursor.sequence)
    first = next((segment for segment in segments if segment.number >= cursor.scan_from), segments[-1])
    last = segments[-1]
    found = Found(max(cursor.sequence, last.first_sequence - 1))
    settled: set[str] = set()
    sequences: set[int] = set()
    reader = JournalReader(folder.path, Position(cursor.scan_from))
    limit = Position(last.number, last.size_bytes)
    end = 0
    while frames := reader.read(limit):
        end = frames[-1].end if reader.position.segment == last.number else 0
        for frame in frames:
            event = orjson.loads(frame.payload)
            event_id = event["event_id"]
            if event["attempt"] > 1:
                request_id = event["request_id"]
                found.last_attempts[request_id] = max(event["attempt"], found.last_attempts.get(request_id, 1))
            if frame.kind is FrameKind.SETTLE:
                settled.add(event_id)
                sequences.add(frame.sequence)
                found.open_calls.pop(event_id, None)
            elif event_id not in settled:
                found.open_calls[event_id] = event
    reader.close()
    if end < limit.offset:
        os.truncate(last.path, end)
    if reader.damaged_bytes:
        DAMAGED_BYTES.inc(reader.damaged_bytes)
        canonical_log.warning("journal damaged", producer=folder.producer, damaged_bytes=reader.damaged_bytes)
    for event in found.open_calls.values():
        if event["attempt"] != found.last_attempts.get(str(event["request_id"]), event["attempt"]):
            event["is_final"] = False
    found.last_sequence = max(found.last_sequence, *sequences, 0)
    found.missing = sorted(set(range(first.first_sequence, found.last_sequence + 1)) - sequences)
    return found


def _append_terminals(
    folder: JournalFolder, events: Iterable[tuple[int, dict[str, object]]], first_sequence: int
) -> None:
    """Into a segment of their own: nothing is ever appended to a file that a crash may have cut."""
    number = list_segments(folder.path)[-1].number + 1
    writer = SegmentWriter.create(folder.path, number=number, first_sequence=first_sequence)
    try:
        for sequence, event in events:
            # not through UsageEvent: another release may have written it
            payload = orjson.dumps({**event, "producer": folder.producer, "sequence": sequence})
            writer.append(encode(FrameKind.SETTLE, sequence, payload))
        writer.sync()
        sync_directory(folder.path)
    except BaseException:
        writer.segment.path.unlink()
        raise
    finally:
        writer.close()
