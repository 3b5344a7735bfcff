"""Takes over the journals of dead processes, this one's earlier boots and its siblings' alike."""

import time
from pathlib import Path

from gateway_router.journal.cursor import Cursor
from gateway_router.journal.folder import JournalFolder, boot_folders
from gateway_router.journal.recovery import close_folder
from gateway_router.journal.segment import Position, list_segments
from gateway_router.metering_metrics import ADOPTED
from gateway_router.publication import Extent, Publication
from gateway_shared import canonical_log
from gateway_shared.errors import JournalUnavailable


class Adoption:
    """Looks for folders whose lock can be taken; a running or draining sibling's cannot."""

    def __init__(self, journal_dir: Path) -> None:
        self._journal_dir = journal_dir
        self._settled: set[Path] = set()

    def adopt(self) -> list[Publication]:
        """What there is to publish now, of folders that nobody held. Blocking.

        A folder that cannot be recovered now (the disk is full, or its records make no sense) keeps
        nobody from work; it is tried again the next time.
        """
        found = boot_folders(self._journal_dir)
        self._settled.intersection_update(found)
        adopted = []
        for path in found:
            if path in self._settled or Cursor.load(path).is_finished:
                self._settled.add(path)
                continue
            folder = JournalFolder.adopt(path)
            if folder is None:
                continue
            try:
                publication = _take_over(folder)
            except (OSError, JournalUnavailable, ValueError, LookupError, TypeError) as error:
                canonical_log.exception("journal not adopted", error, producer=folder.producer)
                folder.release()
                continue
            if publication is not None:
                adopted.append(publication)
        return adopted


def _take_over(folder: JournalFolder) -> Publication | None:
    """None when its process never wrote anything: such a folder is removed."""
    cursor = close_folder(folder)
    if not cursor.last_sequence:
        folder.remove()
        return None
    ADOPTED.inc()
    canonical_log.info(
        "journal adopted", producer=folder.producer, unpublished_events=cursor.last_sequence - cursor.sequence
    )
    return closed_publication(folder, cursor)


def closed_publication(folder: JournalFolder, cursor: Cursor) -> Publication:
    """Of a journal that nothing is appended to any more."""
    extent = closed_extent(folder, cursor)
    publication = Publication(folder, cursor, lambda: extent)
    segments = list_segments(folder.path)
    if publication.unpublished > 0 and segments:
        written_ago_s = max(0.0, time.time() - segments[-1].path.stat().st_mtime)
        publication.age.appended(extent.last_sequence, now_s=time.monotonic() - written_ago_s)
    return publication


def closed_extent(folder: JournalFolder, cursor: Cursor) -> Extent:
    assert cursor.last_sequence is not None
    segments = list_segments(folder.path)
    end = Position(segments[-1].number, segments[-1].size_bytes) if segments else cursor.position
    return Extent(end, cursor.last_sequence, is_closed=True)
