"""The journal's frames: marker, kind, length, sequence, CRC-32, payload. Pure.

A payload is the JSON of one usage event. JSON holds no control characters, so the marker (the
record separator of RFC 7464) never occurs inside a payload: after damage the reader finds the next
whole frame, and nothing a client wrote into an event can pass for one.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

MARKER = b"\x1e"
MAX_PAYLOAD_BYTES = 1024 * 1024

_HEAD = struct.Struct(">cBIQI")
_CHECKED = struct.Struct(">BIQ")
HEAD_BYTES = _HEAD.size


class FrameKind(IntEnum):
    INTENT = 1
    CHECKPOINT = 2
    SETTLE = 3


class FrameInvalid(ValueError):
    """A payload that no frame can carry."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One record; `end` is the offset behind it. `sequence` is 0 in all kinds but SETTLE."""

    kind: FrameKind
    sequence: int
    payload: bytes
    end: int


def encode(kind: FrameKind, sequence: int, payload: bytes) -> bytes:
    """Raises FrameInvalid for a payload that is too long or is not JSON on one line."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise FrameInvalid(f"{len(payload)} bytes, {MAX_PAYLOAD_BYTES} are allowed")
    if MARKER in payload:
        raise FrameInvalid("a control character that JSON does not hold")
    crc = _crc(kind, sequence, payload)
    return _HEAD.pack(MARKER, kind, len(payload), sequence, crc) + payload


def decode(data: bytes, *, offset: int = 0) -> Iterator[Frame]:
    """The whole, undamaged frames of `data`, in order; `offset` is where in the file `data` begins.

    Damage is passed over: frames after it are still found. What is left behind the last frame is a
    torn tail, or the beginning of a frame that has not been read yet.
    """
    start = data.find(MARKER)
    while start >= 0:
        frame = _frame_at(data, start, offset)
        if frame is None:
            start = data.find(MARKER, start + 1)
            continue
        yield frame
        next_start = frame.end - offset
        start = next_start if data.startswith(MARKER, next_start) else data.find(MARKER, next_start)


def _frame_at(data: bytes, start: int, offset: int) -> Frame | None:
    if len(data) - start < HEAD_BYTES:
        return None
    _, kind, length, sequence, crc = _HEAD.unpack_from(data, start)
    end = start + HEAD_BYTES + length
    if length > MAX_PAYLOAD_BYTES or end > len(data) or kind not in _KINDS:
        return None
    payload = data[start + HEAD_BYTES : end]
    if crc != _crc(kind, sequence, payload):
        return None
    return Frame(_KINDS[kind], sequence, payload, offset + end)


def _crc(kind: int, sequence: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_CHECKED.pack(kind, len(payload), sequence)))


_KINDS = {int(kind): kind for kind in FrameKind}
