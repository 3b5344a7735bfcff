"""One exchange over the hop: a head and a body in each direction, each with its window.

A side may have at most `WINDOW_BYTES` body bytes of a stream sent and not granted again; a peer that
sends more loses the connection. What a reader has taken is granted again when it comes for more, and not
before. So a reader that stalls holds up its own stream, nobody else's, and memory is bounded by window times
streams.
"""

import asyncio
from typing import Protocol

from gateway_shared.hop import HopLost
from gateway_shared.hop_frames import (
    DATA,
    END,
    PIECE_BYTES,
    WINDOW,
    Frame,
    FrameInvalid,
    credit_of,
    head_prefix,
)

WINDOW_BYTES = 256 * 1024
READ_BYTES = 64 * 1024
"""What one read takes at most, so that the copy in a reader's hands stays small beside the window."""


class Carrier(Protocol):
    """The connection, as its streams see it."""

    is_full: bool

    def put(self, stream_id: int, kind: int, prefix: bytes = ..., body: bytes | memoryview = ...) -> None: ...

    def forget(self, stream: "Stream", *, complete: bool) -> None: ...


class Stream:
    """One exchange: a head and a body in each direction. Always `close` it in the end."""

    __slots__ = (
        "_credit",
        "_ended",
        "_error",
        "_first_kind",
        "_link",
        "_parts",
        "_peer_ended",
        "_read_bytes",
        "_reader",
        "_unread_bytes",
        "_writer",
        "id",
        "peer_head",
        "task",
    )

    def __init__(self, link: Carrier, stream_id: int, first_kind: int) -> None:
        self.id = stream_id
        self.peer_head: bytes | None = None
        self.task: asyncio.Task[None] | None = None
        self._link = link
        self._first_kind = first_kind
        self._credit = WINDOW_BYTES
        self._unread_bytes = 0  # received and not granted again
        self._read_bytes = 0  # of these, read by our side
        self._parts: list[bytes] = []
        self._peer_ended = self._ended = False
        self._error: HopLost | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    async def send(self, body: bytes = b"", *, head: bytes | None = None, end: bool = False) -> None:
        """Sends body bytes, with the head first. Waits while the peer's window or the socket is full.

        Raises HopLost when the peer has cancelled the stream or is gone.
        """
        prefix, kind = (b"", DATA) if head is None else (head_prefix(head), self._first_kind)
        size = len(body)
        if self._has_room(size):
            self._credit -= size
            self._put(kind, prefix, body, end)
            return
        view, at = memoryview(body), 0
        while at < size or prefix:
            await self._room(needs_credit=not prefix)
            piece = max(0, min(size - at, PIECE_BYTES, self._credit))
            self._credit -= piece
            self._put(kind, prefix, view[at : at + piece], end and at + piece == size)
            at, kind, prefix = at + piece, DATA, b""
        if end and not self._ended:
            self._raise_error()
            self._put(DATA, b"", b"", True)

    def put(self, body: bytes) -> bool:
        """Sends body bytes if that needs no waiting; otherwise False, and `send` tells what stands in the way.

        As nearly all pieces of a stream go, without a coroutine for each.
        """
        size = len(body)
        if not self._has_room(size):
            return False
        self._credit -= size
        self._link.put(self.id, DATA, b"", body)
        return True

    def _has_room(self, size: int) -> bool:
        return size <= self._credit and size <= PIECE_BYTES and not self._link.is_full and self._error is None

    @property
    def is_answered(self) -> bool:
        """Whether the peer has said all that it will say, so that nothing it did not want is missing."""
        return self.peer_head is not None and self._peer_ended

    async def finish(self) -> None:
        """Ends our body, if it has not ended with its last bytes."""
        if not self._ended:
            await self.send(end=True)

    def _put(self, kind: int, prefix: bytes, body: bytes | memoryview, end: bool) -> None:
        self._ended = end
        self._link.put(self.id, kind | END if end else kind, prefix, body)

    async def _room(self, *, needs_credit: bool) -> None:
        while (self._link.is_full or (needs_credit and self._credit <= 0)) and self._error is None:
            self._writer = asyncio.get_running_loop().create_future()
            await self._writer
        self._raise_error()

    async def head(self) -> bytes:
        """The peer's head. Raises HopLost."""
        while self.peer_head is None:
            await self._arrival()
        return self.peer_head

    async def read(self) -> bytes:
        """The next body bytes, at most READ_BYTES; b"" at the end. Raises HopLost."""
        if self._read_bytes >= WINDOW_BYTES // 2 and not self._peer_ended:
            self._link.put(self.id, WINDOW, credit_of(self._read_bytes))
            self._unread_bytes -= self._read_bytes
            self._read_bytes = 0
        while not self._parts:
            if self._peer_ended:
                return b""
            await self._arrival()
        data = self._take()
        self._read_bytes += len(data)
        return data

    def _take(self) -> bytes:
        parts, self._parts = self._parts, []
        if len(parts) == 1:
            return parts[0]
        if self._unread_bytes - self._read_bytes > READ_BYTES:
            taken_bytes = taken = 0
            while taken_bytes + len(parts[taken]) <= READ_BYTES:
                taken_bytes += len(parts[taken])
                taken += 1
            parts, self._parts = parts[:taken], parts[taken:]
        return b"".join(parts)

    async def _arrival(self) -> None:
        self._raise_error()
        self._reader = asyncio.get_running_loop().create_future()
        await self._reader

    def close(self) -> None:
        """Ends our interest; the peer is told unless the exchange is complete."""
        self._link.forget(self, complete=self._peer_ended and self._ended)
        self._parts.clear()

    def fail(self, error: HopLost) -> None:
        """The peer has cancelled, or is gone: who waits here is woken, who serves it is cancelled."""
        if self._error is not None:
            return  # a second cancel would interrupt how the task ends after the first
        self._error = error
        if self.task is not None:
            # a task that is cancelled before its first step never comes to close the stream itself
            self.task.add_done_callback(lambda _: self.close())
            self.task.cancel()
        _wake(self._reader)
        _wake(self._writer)

    def receive(self, frame: Frame) -> None:
        """Takes HEAD, OPEN or DATA. Raises FrameInvalid for what may not come now."""
        if frame.head is not None:
            if self.peer_head is not None or frame.kind == self._first_kind:
                raise FrameInvalid("a second head, or the wrong side's")
            self.peer_head = frame.head
        elif self.peer_head is None:
            raise FrameInvalid("body before its head")
        if self._peer_ended:
            raise FrameInvalid("body after its end")
        if frame.body:
            self._unread_bytes += len(frame.body)
            if self._unread_bytes > WINDOW_BYTES:
                raise FrameInvalid("window overrun")
            self._parts.append(frame.body)
        self._peer_ended = frame.ends
        _wake(self._reader)

    def grant(self, body_bytes: int) -> None:
        self._credit += body_bytes
        if self._credit > WINDOW_BYTES:
            raise FrameInvalid("more granted than was sent")
        _wake(self._writer)

    def wake_writer(self) -> None:
        _wake(self._writer)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
