"""Reading a request's body: JSON only, never more than the limit, never slower than allowed.

What this process holds of bodies at once is bounded, answers that wait for their clients among them.
"""

import asyncio
import time
from types import TracebackType
from typing import Self

from aiohttp import hdrs, web

from gateway_shared.errors import BadRequest, BodyTooLarge, RequestTimedOut, ServiceUnavailable, UnsupportedMediaType

_JSON = "application/json"
PATIENCE_S = 30.0
"""A body may take this long, and longer only while it comes at MINIMUM_BYTES_PER_S or faster."""

MINIMUM_BYTES_PER_S = 16 * 1024


class BodyReader:
    """`max_bytes` for one body; `max_bytes_in_flight` for all that this process holds at once."""

    def __init__(self, *, max_bytes: int, max_bytes_in_flight: int) -> None:
        self._max_bytes = max_bytes
        self._max_bytes_in_flight = max_bytes_in_flight
        self.bytes_in_flight = 0

    async def read_json(self, request: web.Request, *, max_bytes: int | None = None) -> "ReceivedBody":
        """The body, of `max_bytes` where that is less than for others; leave it as a block in the end.

        Raises UnsupportedMediaType, BodyTooLarge, RequestTimedOut, ServiceUnavailable, BadRequest.
        """
        headers = request.headers
        is_json = headers.get(hdrs.CONTENT_TYPE) == _JSON or request.content_type == _JSON
        if not is_json or hdrs.CONTENT_ENCODING in headers:
            raise UnsupportedMediaType
        announced_bytes = request.content_length or 0
        most_bytes = self._max_bytes if max_bytes is None else min(max_bytes, self._max_bytes)
        if announced_bytes > most_bytes:
            raise _too_large(most_bytes)
        if announced_bytes + self.bytes_in_flight > self._max_bytes_in_flight:
            raise self._too_many()
        body = ReceivedBody(self, most_bytes)
        try:
            if request.content.is_eof():  # it came whole, in the same packet as its head: nothing to wait for
                self._add(body, request.content.read_nowait())
            else:
                await self._receive(request, body)
        except BaseException:
            body.release()
            raise
        return body

    async def _receive(self, request: web.Request, body: "ReceivedBody") -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not request.content.at_eof():
            try:
                async with asyncio.timeout(deadline_s - time.monotonic()):
                    chunk = await request.content.readany()
            except TimeoutError as error:
                raise RequestTimedOut from error
            except web.RequestPayloadError as error:
                raise BadRequest("The body's transfer coding is not valid.") from error
            deadline_s += len(chunk) / MINIMUM_BYTES_PER_S
            self._add(body, chunk)

    def _add(self, body: "ReceivedBody", chunk: bytes) -> None:
        body.append(chunk)
        self.bytes_in_flight += len(chunk)
        if body.size > body.max_bytes:
            raise _too_large(body.max_bytes)
        self._check()

    def take(self, size: int) -> None:
        """For what else is held; `give_back` it, also after ServiceUnavailable."""
        self.bytes_in_flight += size
        self._check()

    def give_back(self, size: int) -> None:
        self.bytes_in_flight -= size

    def _check(self) -> None:
        if self.bytes_in_flight > self._max_bytes_in_flight:
            raise self._too_many()

    def _too_many(self) -> ServiceUnavailable:
        return ServiceUnavailable("Too many large requests and answers are being held now.", retry_after_s=1.0)


class ReceivedBody:
    """A request's body, in flight until it is released.

    Its bytes are held here until they are taken: a stream may go on for minutes after its body was sent on.
    """

    __slots__ = ("_chunks", "_reader", "max_bytes", "size")

    def __init__(self, reader: BodyReader, max_bytes: int) -> None:
        self._reader = reader
        self.max_bytes = max_bytes
        self._chunks: list[bytes] = []
        self.size = 0

    def append(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self.size += len(chunk)

    def take(self) -> bytes:
        """Once."""
        chunks, self._chunks = self._chunks, []
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def release(self) -> None:
        self._reader.bytes_in_flight -= self.size
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.release()


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is larger than the limit of {max_bytes} bytes.")
