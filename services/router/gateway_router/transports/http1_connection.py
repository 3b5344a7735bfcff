"""One HTTP/1.1 connection to a provider, one request at a time, parsed by httptools (llhttp).

What a provider may make us hold is bounded: the head, and trailers, by MAX_HEAD_BYTES, unread body by a pause of
the socket. A connection is used again only after an answer that ended where its framing said, on a
connection that is to be kept, with nothing behind it.
"""

import asyncio
from typing import cast

import httptools

MAX_HEAD_BYTES = 64 * 1024
HIGH_WATER_BYTES = 64 * 1024
"""Unread body beyond which the socket is paused; what its last read brought comes on top."""
_RECEIVED = bytearray(64 * 1024)
"""What one read of a socket brings, for all connections: parsed, and so copied, before the next."""
_LARGE_WRITE_BYTES = 256 * 1024


class ConnectionBroken(ConnectionError):
    """The provider closed, reset, or does not speak HTTP/1.1; the text says which."""


class Http1Connection(asyncio.BufferedProtocol):
    """`post` once the connection is idle, then `head`, then `read` until b""; `release` in the end."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._error: ConnectionBroken | None = None
        self._is_closed = False
        self._is_busy = self._is_sent = False
        self._requests = 0
        self._start()

    def _start(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: dict[str, str] = {}
        self._bytes_beside_body = 0  # of whole reads: what has come with the end of the head is body
        self._has_answer = False
        self._has_head = self._is_complete = self._is_paused = self._keeps_alive = False
        self._has_length = False
        self._parts: list[bytes] = []
        self._held_bytes = 0

    @property
    def is_usable(self) -> bool:
        """Whether a request may be sent on it now."""
        return not (self._is_closed or self._is_busy or self._error)

    @property
    def was_kept_in_vain(self) -> bool:
        """Whether it served an earlier request, and nothing has come in answer to this one."""
        return self._requests > 1 and not self._has_answer

    async def post(self, head: bytes, body: bytes) -> None:
        """Sends a request; `head` ends with the empty line. Returns early when it is refused meanwhile.

        Raises ConnectionBroken.
        """
        assert self._transport is not None
        self._start()
        self._is_busy, self._is_sent = True, False
        self._requests += 1
        if len(body) <= _LARGE_WRITE_BYTES:
            self._transport.write(head + body)
            self._is_sent = True
            return
        self._transport.write(head)
        view = memoryview(body)
        for at in range(0, len(body), _LARGE_WRITE_BYTES):
            self._transport.write(view[at : at + _LARGE_WRITE_BYTES])
            if self._drained is not None:
                await self._drained
            self._raise_error()
            if self._is_refused:
                return
        self._is_sent = True

    @property
    def _is_refused(self) -> bool:
        """Whether what is still to be sent would be sent in vain (RFC 9112, 9.5)."""
        return self._has_head and self.status >= 300

    async def head(self) -> None:
        """Returns when `status` and `headers` are there. Raises ConnectionBroken."""
        self._raise_error()
        while not self._has_head:
            await self._arrival()
            self._raise_error()

    async def read(self) -> bytes:
        """The next body bytes, about HIGH_WATER_BYTES at most; b"" at the end. Raises ConnectionBroken."""
        while not self._parts:
            self._raise_error()
            if self._is_complete:
                return b""
            await self._arrival()
        parts, self._parts = self._parts, []
        self._held_bytes = 0
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    @property
    def at_end(self) -> bool:
        return self._is_complete and not self._parts

    def release(self) -> bool:
        """Ends the exchange; True when the connection can carry another one, else it is closed."""
        is_over = self.at_end and self._is_sent and not self._is_paused
        can_go_on = self._is_busy and is_over and self._keeps_alive and not self._is_closed
        self._is_busy = False
        if can_go_on and self._error is None:
            return True
        self.abort()
        return False

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def _arrival(self) -> None:
        self._raise_error()
        self._waiter = self._loop.create_future()
        await self._waiter

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _fail(self, reason: str) -> None:
        """What came from a peer that breaks the protocol is not used, not even its beginning."""
        if self._error is None:
            self._error = ConnectionBroken(reason)
        self._parts.clear()
        self.abort()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # not asserted: uvloop's TLS transport is not a subclass
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, _sizehint: int) -> bytearray:
        return _RECEIVED

    def buffer_updated(self, nbytes: int) -> None:
        if not self._is_busy or self._is_complete:
            self._fail("bytes that nobody asked for")
            return
        self._has_answer = True
        self._bytes_beside_body += nbytes
        try:
            self._parser.feed_data(memoryview(_RECEIVED)[:nbytes])
        except httptools.HttpParserUpgrade:
            self._fail("an upgrade that nobody asked for")
        except httptools.HttpParserError:
            self._fail("not HTTP/1.1")
        if self._bytes_beside_body > MAX_HEAD_BYTES and not self._is_complete:
            self._fail("a head that is too long, or what is no body behind it")
        self._wake()

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        self._release_writer()
        self._drained = None

    def _release_writer(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closed = True
        if self._is_busy and not self._is_complete:
            if exc is None and self._has_head and not self._has_length:
                self._is_complete = True  # a body without a length ends with its connection (RFC 9112, 6.3)
            elif self._error is None:
                self._error = ConnectionBroken("closed before the end of the answer")
        self.resume_writing()
        self._wake()

    # httptools

    def on_message_begin(self) -> None:
        self._head_size = 0
        if self._is_complete:
            self._fail("two answers to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_size += len(name) + len(value)
        if self._head_size > MAX_HEAD_BYTES:
            self._fail("a head that is too long")
            return
        if self._has_head:
            return  # a trailer: the head has been used
        key = name.decode("latin-1").lower()
        if key in ("content-length", "transfer-encoding"):
            self._has_length = True
        self.headers[key] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status >= 200:
            self._has_head = True
            self._bytes_beside_body = 0
            if self._is_refused:
                self._release_writer()
        else:  # 100 Continue, 103 Early Hints: the answer is still to come
            self.headers = {}

    def on_body(self, data: bytes) -> None:
        if self._error is not None:
            return
        self._bytes_beside_body = 0
        self._parts.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > HIGH_WATER_BYTES and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self.status < 200 or self._error is not None:
            return
        self._is_complete = True
        self._keeps_alive = self._parser.should_keep_alive()
