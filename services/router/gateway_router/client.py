"""The client of one call, at the other end of the hop; a client that has left is noted, not an error."""

import asyncio
import time
from collections.abc import Mapping
from typing import Protocol

from gateway_shared.errors import GatewayError, ProviderAuthFailed
from gateway_shared.hop_server import error_headers
from gateway_shared.sse import write_data

STREAM_TYPE = "text/event-stream; charset=utf-8"
JSON_TYPE = "application/json"


class Answer(Protocol):
    """What is used of `gateway_shared.hop_server.HopAnswer`."""

    async def start(self, status: int, headers: Mapping[str, str]) -> None: ...
    async def write(self, chunk: bytes) -> None: ...
    def put(self, chunk: bytes) -> bool: ...
    async def send(self, status: int, headers: Mapping[str, str], body: bytes) -> None: ...


class Client:
    """`headers` go on every answer. Once `gone`, nothing is written any more; `started`: the status line is decided.

    `written_s`: the monotonic clock at the last write.
    """

    def __init__(self, answer: Answer, headers: Mapping[str, str]) -> None:
        self.headers = dict(headers)
        self.gone = False
        self.started = False
        self.written_s = 0.0
        self._answer = answer
        self._is_writing = self._has_head = False
        self._comment: asyncio.Task[None] | None = None

    def put(self, data: bytes) -> bool:
        """As `write` where that needs no waiting; False where it may."""
        if not self._has_head or self.gone or self._comment is not None or not self._answer.put(data):
            return False
        self.written_s = time.monotonic()
        return True

    async def write(self, data: bytes) -> None:
        """Part of a stream; the first part starts the answer. Waits while the client does not read."""
        if self.gone or not data:
            return
        if self._comment is not None:
            # one writer at a time
            await asyncio.wait((self._comment,))
            self._comment = None
        await self._put(data)

    def interject(self, comment: bytes) -> asyncio.Task[None] | None:
        """Between two events, by itself. Nothing where the client is gone, or has yet to read what is being written."""
        if self.gone or self._is_writing:
            return None
        self.started = True
        self._comment = asyncio.create_task(self._put(comment), name="comment")
        return self._comment

    async def _put(self, data: bytes) -> None:
        self._is_writing = True
        try:
            if not self._has_head:
                self.started = True
                await self._answer.start(200, {"Content-Type": STREAM_TYPE, **self.headers})
                self._has_head = True
            await self._answer.write(data)
        except ConnectionError:
            self.gone = True
        finally:
            self._is_writing = False
            self.written_s = time.monotonic()

    async def send(self, body: bytes) -> None:
        """A whole answer."""
        if not self.gone:
            self.started = True
            await self._answer.send(200, {"Content-Type": JSON_TYPE, **self.headers}, body)

    async def fail(self, error: GatewayError, *, headers: Mapping[str, str] | None = None) -> None:
        """The error as a status, or as the last event of a stream that has begun; no `[DONE]` follows it."""
        if self.started:
            await self.write(write_data(error.body()))
        elif not self.gone:
            self.started = True
            await self._answer.send(error.status, self._error_headers(error, headers or {}), error.body())

    def _error_headers(self, error: GatewayError, headers: Mapping[str, str]) -> dict[str, str]:
        fields = {"Content-Type": JSON_TYPE, **self.headers, **headers, **error_headers(error)}
        if isinstance(error, ProviderAuthFailed):
            fields["x-should-retry"] = "false"
        return fields
