"""The publisher's place in one folder, kept in the file `cursor` beside the segments.

A cursor that is behind costs duplicates, which the ledger drops; it is never ahead of the broker's confirms.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import orjson

from gateway_router.journal.segment import Position, sync_directory

_NAME = "cursor"


@dataclass(frozen=True, slots=True)
class Cursor:
    """`position` and `sequence`: up to where the broker has confirmed everything.

    `scan_from` is the segment from which on calls may be open. `last_sequence` is the producer's
    last one, known once its journal is closed; nothing is appended behind it. `is_marked`: the broker
    has confirmed the mark that says so.
    """

    position: Position = field(default_factory=Position)
    sequence: int = 0
    scan_from: int = 0
    last_sequence: int | None = None
    is_marked: bool = False

    @property
    def is_finished(self) -> bool:
        """Closed, and all of it confirmed, the closing mark too."""
        return self.last_sequence is not None and self.sequence >= self.last_sequence and self.is_marked

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The beginning, when there is none or it cannot be read: then everything is published again."""
        try:
            row = orjson.loads((folder / _NAME).read_bytes())
            return cls(**{**row, "position": Position(**row["position"])})
        except (FileNotFoundError, orjson.JSONDecodeError, KeyError, TypeError):
            return cls()

    def save(self, folder: Path) -> None:
        """Durable and atomic. Raises OSError."""
        new = folder / f"{_NAME}.new"
        with new.open("wb") as file:
            file.write(orjson.dumps(self))
            file.flush()
            os.fsync(file.fileno())
        new.replace(folder / _NAME)
        sync_directory(folder)
