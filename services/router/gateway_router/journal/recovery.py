"""Recovery: a dead process's journal gets what it lacks, and is closed. Blocking; called in a thread.

Every intent that has no terminal record gets one, made of its last intent or checkpoint with the
producer's next sequence: what is known of the call, with the status that was written then.
"""

import os

import orjson

from gateway_router.journal.cursor import Cursor
from gateway_router.journal.folder import JournalFolder
from gateway_router.journal.frame import FrameKind, encode
from gateway_router.journal.reader import JournalReader
from gateway_router.journal.reserve import remove_reserve
from gateway_router.journal.segment import Position, SegmentWriter, list_segments, sync_directory
from gateway_router.metering_metrics import DAMAGED_BYTES, RECOVERED
from gateway_shared import canonical_log


def close_folder(folder: JournalFolder) -> Cursor:
    """Appends the missing terminal records, saves the cursor with `last_sequence`, and returns it.

    Nothing happens to a folder that is closed already. Raises OSError, JournalUnavailable.
    """
    cursor = Cursor.load(folder.path)
    if cursor.last_sequence is not None:
        return cursor
    remove_reserve(folder.path)
    last_sequence, open_calls = _scan(folder, cursor)
    if open_calls:
        _append_terminals(folder, list(open_calls.values()), first_sequence=last_sequence + 1)
        last_sequence += len(open_calls)
    closed = Cursor(cursor.position, cursor.sequence, cursor.scan_from, last_sequence)
    closed.save(folder.path)
    RECOVERED.inc(len(open_calls))
    return closed


def _scan(folder: JournalFolder, cursor: Cursor) -> tuple[int, dict[str, dict[str, object]]]:
    """The last sequence, and the last known event of each call without a terminal record, by event id."""
    segments = list_segments(folder.path)
    if not segments:
        return cursor.sequence, {}
    last = segments[-1]
    last_sequence = max(cursor.sequence, last.first_sequence - 1)
    open_calls: dict[str, dict[str, object]] = {}
    reader = JournalReader(folder.path, Position(cursor.scan_from))
    limit = Position(last.number, last.size_bytes)
    end = 0
    while frames := reader.read(limit):
        end = frames[-1].end if reader.position.segment == last.number else 0
        for frame in frames:
            event = orjson.loads(frame.payload)
            if frame.kind is FrameKind.SETTLE:
                open_calls.pop(event["event_id"], None)
                last_sequence = max(last_sequence, frame.sequence)
            else:
                open_calls[event["event_id"]] = event
    reader.close()
    if end < limit.offset:
        os.truncate(last.path, end)
    if reader.damaged_bytes:
        DAMAGED_BYTES.inc(reader.damaged_bytes)
        canonical_log.warning("journal damaged", producer=folder.producer, damaged_bytes=reader.damaged_bytes)
    return last_sequence, open_calls


def _append_terminals(folder: JournalFolder, events: list[dict[str, object]], *, first_sequence: int) -> None:
    """Into a segment of their own: nothing is ever appended to a file that a crash may have cut."""
    number = list_segments(folder.path)[-1].number + 1
    writer = SegmentWriter.create(folder.path, number=number, first_sequence=first_sequence)
    try:
        for sequence, event in enumerate(events, first_sequence):
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
