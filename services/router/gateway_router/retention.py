"""Removes journal segments: only what is published, in the ledger, and older than the time to keep.

Segments go oldest first, so that an intent never outlives its terminal record.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway_router.journal.cursor import Cursor
from gateway_router.journal.folder import JournalFolder, boot_folders
from gateway_router.journal.segment import Segment, list_segments
from gateway_router.metering_metrics import REMOVED

DEFAULT_KEEP_S = 72 * 3600.0


@dataclass(frozen=True, slots=True)
class Removable:
    """A segment that may go as soon as the ledger has everything up to `last_sequence`."""

    segment: Segment
    last_sequence: int


def removable_segments(folder: Path, cursor: Cursor, *, older_than_s: float) -> list[Removable]:
    """The oldest segments that are confirmed, without an open call, and written before `older_than_s` (Unix time)."""
    segments = list_segments(folder)
    lasts: list[int | None] = [following.first_sequence - 1 for following in segments[1:]]
    found = []
    for segment, last in zip(segments, [*lasts, cursor.last_sequence], strict=False):
        is_open = cursor.last_sequence is None and segment.number >= min(cursor.scan_from, cursor.position.segment)
        if last is None or last > cursor.sequence or is_open or segment.path.stat().st_mtime >= older_than_s:
            break
        found.append(Removable(segment, last))
    return found


def expired_folders(journal_dir: Path, *, older_than_s: float) -> dict[str, Path]:
    """Producer -> folder, of closed and published journals that are old enough for something to go. Blocking."""
    found = {}
    for path in boot_folders(journal_dir):
        cursor = Cursor.load(path)
        if not cursor.is_finished:
            continue
        is_empty = not list_segments(path)  # a crash kept the folder itself from being removed
        if is_empty or removable_segments(path, cursor, older_than_s=older_than_s):
            found[f"{path.parent.name}/{path.name}"] = path
    return found


def remove_segments(removable: Sequence[Removable], *, ledger_has: int) -> int:
    """How many went. Blocking."""
    gone = [item for item in removable if item.last_sequence <= ledger_has]
    for item in gone:
        item.segment.path.unlink()
    REMOVED.inc(len(gone))
    return len(gone)


def prune_folder(path: Path, *, ledger_has: int, older_than_s: float) -> None:
    """Takes the lock, removes what may go, and the folder with its last segment. Blocking."""
    folder = JournalFolder.adopt(path)
    if folder is None:
        return
    cursor = Cursor.load(path)
    removable = removable_segments(path, cursor, older_than_s=older_than_s) if cursor.is_finished else []
    remove_segments(removable, ledger_has=ledger_has)
    if cursor.is_finished and not list_segments(path):
        folder.remove()
    else:
        folder.release()
