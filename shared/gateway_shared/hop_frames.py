"""Frames of the hop: the codec alone, bytes in and frames out, without a connection or a clock.

frame   = >I payload length, >I stream id, B kind, payload
OPEN    edge -> router: >H length of head, head, first body bytes
HEAD    router -> edge: the same shape
DATA    body bytes, either way
WINDOW  >I body bytes that the peer may send again
CANCEL  the sender has lost interest in the stream; later frames of its id are dropped
PING    answered by PONG; both on stream 0
DRAIN   the sender takes no new stream on this connection; those that are open go on
REFUSE  router -> edge: the peer's identity may not open this stream; on stream 0: nor any other
END     a bit on OPEN, HEAD and DATA: the sender sends no more on this stream
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

OPEN, HEAD, DATA, WINDOW, CANCEL, PING, PONG, DRAIN, REFUSE = range(1, 10)
END = 0x80

PIECE_BYTES = 32 * 1024
"""The most body bytes in one frame, so that a large body never stands in a small one's way."""
MAX_HEAD_BYTES = 65_535
MAX_PAYLOAD_BYTES = 2 + MAX_HEAD_BYTES + PIECE_BYTES

_HEADER = struct.Struct(">IIB")
_HEAD_LENGTH = struct.Struct(">H")
_COUNT = struct.Struct(">I")

_EMPTY_KINDS = frozenset({CANCEL, PING, PONG, DRAIN, REFUSE})


class FrameInvalid(ValueError):
    """The peer does not speak this protocol; the connection ends."""


class Frame(NamedTuple):
    """`head` is given for OPEN and HEAD only; `body` is what follows it. `ends`: the END bit."""

    stream_id: int
    kind: int
    ends: bool
    head: bytes | None
    body: bytes


def header_of(stream_id: int, kind: int, payload_bytes: int) -> bytes:
    return _HEADER.pack(payload_bytes, stream_id, kind)


def head_prefix(head: bytes) -> bytes:
    """What stands before the first body bytes in OPEN and HEAD. Raises FrameInvalid when it is too long."""
    if len(head) > MAX_HEAD_BYTES:
        raise FrameInvalid(f"a head of {len(head)} bytes, the limit is {MAX_HEAD_BYTES}")
    return _HEAD_LENGTH.pack(len(head)) + head


def credit_of(body_bytes: int) -> bytes:
    return _COUNT.pack(body_bytes)


def read_credit(frame: Frame) -> int:
    """The bytes that a WINDOW frame grants."""
    return int(_COUNT.unpack(frame.body)[0])


class FrameReader:
    """Cuts what was read into frames. After FrameInvalid it is not used again."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes. Raises FrameInvalid."""
        if self._rest:
            data = self._rest + data
        at, size = 0, len(data)
        while size - at >= _HEADER.size:
            length, stream_id, kind = _HEADER.unpack_from(data, at)
            if length > MAX_PAYLOAD_BYTES:
                raise FrameInvalid("frame too long")
            end = at + _HEADER.size + length
            if end > size:
                break
            yield _frame(stream_id, kind, data[at + _HEADER.size : end])
            at = end
        self._rest = data[at:] if at else data


def _frame(stream_id: int, kind: int, payload: bytes) -> Frame:
    ends, kind = kind >= END, kind & ~END
    if kind == DATA:
        return Frame(stream_id, kind, ends, None, payload)
    if kind in (OPEN, HEAD):
        if len(payload) < _HEAD_LENGTH.size:
            raise FrameInvalid("no head where one is due")
        body_at = _HEAD_LENGTH.size + int(_HEAD_LENGTH.unpack_from(payload)[0])
        if body_at > len(payload):
            raise FrameInvalid("head longer than its frame")
        return Frame(stream_id, kind, ends, payload[_HEAD_LENGTH.size : body_at], payload[body_at:])
    expected = _COUNT.size if kind == WINDOW else 0 if kind in _EMPTY_KINDS else -1
    if ends or len(payload) != expected:
        raise FrameInvalid("a control frame of the wrong form")
    return Frame(stream_id, kind, ends, None, payload)
