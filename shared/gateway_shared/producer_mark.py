"""The producer mark: how many events a producer has ended, so that a lost tail shows (RELIABILITY: I3).

A mark is one line among the usage events of a message, told from them by its first member:

    {"producer_mark":1,"producer":"router-1/20261123T2330-ab","sequence":120,"closed":false,"marked_at":"..."}
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import orjson

MARK_VERSION = 1
_PREFIX = b'{"producer_mark":'


class ProducerMarkInvalid(ValueError):
    """The bytes are not a producer mark of a known version."""


def is_producer_mark(line: bytes) -> bool:
    """Whether a line of a message is a mark, of whatever version; nothing is parsed."""
    return line.startswith(_PREFIX)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerMark:
    """`producer` (`<instance>/<boot>`) has ended the events 1 to `sequence`.

    `closed`: and there will be no more. `marked_at` is aware, UTC.
    """

    producer: str
    sequence: int
    closed: bool
    marked_at: datetime

    def to_json(self) -> bytes:
        return orjson.dumps(
            {
                "producer_mark": MARK_VERSION,
                "producer": self.producer,
                "sequence": self.sequence,
                "closed": self.closed,
                "marked_at": self.marked_at,
            },
            option=orjson.OPT_UTC_Z,
        )

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Raises ProducerMarkInvalid with the first thing that is wrong."""
        try:
            row = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise ProducerMarkInvalid(f"not JSON: {error}") from error
        if not isinstance(row, dict):
            raise ProducerMarkInvalid("not a JSON object")
        version = row.pop("producer_mark", None)
        if type(version) is not int or version != MARK_VERSION:
            raise ProducerMarkInvalid(f"unknown producer_mark version {version!r}")
        try:
            mark = cls(**{**row, "marked_at": _utc(row["marked_at"])})
        except (TypeError, KeyError) as error:
            raise ProducerMarkInvalid(str(error)) from error
        mark.check()
        return mark

    def check(self) -> None:
        """Raises ProducerMarkInvalid when a field is not of its type or range."""
        if not isinstance(self.producer, str) or not self.producer or "\0" in self.producer:
            raise ProducerMarkInvalid("producer is not a text")
        if type(self.sequence) is not int or not 0 <= self.sequence < 2**63:
            raise ProducerMarkInvalid("sequence is not a number from 0 up")
        if type(self.closed) is not bool:
            raise ProducerMarkInvalid("closed is neither true nor false")


def _utc(text: object) -> datetime:
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        at = None
    if at is None or at.utcoffset() != timedelta(0):
        raise ProducerMarkInvalid("marked_at is not a time in UTC")
    return at.astimezone(UTC)
