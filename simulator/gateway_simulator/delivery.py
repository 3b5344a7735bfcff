"""Sends a planned answer over HTTP at the pace, and with the faults, that its directives ask for.

Whoever waits here is cancelled when the client leaves (the server runs with `handler_cancellation`), so no time is
spent for a client that is gone.
"""

import asyncio
import socket
import struct
from dataclasses import dataclass

import orjson
from aiohttp import web

from gateway_simulator.answer import Answer
from gateway_simulator.dialect import Dialect, Envelope, Frame
from gateway_simulator.directives import Directives
from gateway_simulator.holds import Holds
from gateway_simulator.request_log import LoggedRequest

_MALFORMED = b'data: {"id": "malformed", "choices": [{"index": 0, "delta": {"content": "tor\n\n'
_SPACES = b" " * 64 * 1024


@dataclass(frozen=True, slots=True)
class Delivery:
    """One answer on its way. What happens to it is written to `logged`; a fault that ends it leaves `logged.fault`."""

    request: web.Request
    dialect: Dialect
    answer: Answer
    envelope: Envelope
    directives: Directives
    logged: LoggedRequest
    holds: Holds

    async def send_stream(self) -> web.StreamResponse:
        """Raises ConnectionResetError when the client has left."""
        headers = {"content-type": self.dialect.content_type, "cache-control": "no-cache"}
        response = web.StreamResponse(headers={**self.dialect.headers(self.envelope), **headers})
        response.enable_chunked_encoding()
        await self._prepare(response)
        await asyncio.sleep(self.directives.ttft_ms / 1000)
        frames = list(self.dialect.frames(self.answer, self.envelope))
        self.logged.content_events_planned = sum(frame.content for frame in frames)
        if await self._strike(response):
            return response
        if self.directives.pad:
            await response.write(b": ")
            await self._pad(response)
            await response.write(b"\n\n")
        for frame in frames:
            if frame.content and self.logged.content_events_sent:
                # With no delay this still lets the other streams, and disconnects, have their turn.
                await asyncio.sleep(self.directives.delay_ms / 1000)
            await self._write(response, frame)
            if frame.content and await self._strike(response):
                return response
        await response.write_eof()
        return response

    async def send_document(self) -> web.StreamResponse:
        """A plain answer. A cut or stall `_after=0` strikes between headers and body, else in the middle of the body.

        Raises ConnectionResetError when the client has left.
        """
        await asyncio.sleep(self.directives.ttft_ms / 1000)
        body = self._body()
        response = web.StreamResponse(headers=self.dialect.headers(self.envelope))
        response.content_type = "application/json"
        response.content_length = len(body) + self.directives.pad
        await self._prepare(response)
        after = self.directives.broken_after
        if after is not None:
            await response.write(body[: len(body) // 2 if after else 0])
            await self._break_off(response)
            return response
        await self._write(response, Frame(body, usage=not self.answer.no_usage and self.logged.fault is None))
        await self._pad(response)
        await response.write_eof()
        return response

    async def keep_silent(self) -> web.StreamResponse:
        """Break the connection before the status line (`drop`), or never answer (`hang`)."""
        if self.directives.hang:
            self.logged.fault = "stall"
            await _forever()
        self.logged.fault = "drop"
        self._cut_connection()
        return web.Response()

    async def _prepare(self, response: web.StreamResponse) -> None:
        if self.directives.gzip:
            response.enable_compression(web.ContentCoding.gzip)
        await response.prepare(self.request)
        self.logged.status = response.status

    async def _pad(self, response: web.StreamResponse) -> None:
        for start in range(0, self.directives.pad, len(_SPACES)):
            await response.write(_SPACES[: self.directives.pad - start])

    def _body(self) -> bytes:
        document = self.dialect.document(self.answer, self.envelope)
        if self.directives.error_after is not None:
            self.logged.fault = "error"
            document = self.dialect.error(500, None, None, self.envelope)
        body = orjson.dumps(document)
        if self.directives.malformed_after is None:
            return body
        self.logged.fault = "malformed"
        return body[: len(body) // 2]

    async def _strike(self, response: web.StreamResponse) -> bool:
        """Carry out what is due after the content events sent so far. True when the stream is thereby over."""
        if self._due(self.directives.hold_after):
            await self.holds.wait(self.logged)
        if self._due(self.directives.malformed_after):
            self.logged.fault = "malformed"
            await self._write(response, Frame(_MALFORMED))
        if self._due(self.directives.error_after):
            self.logged.fault = "error"
            await self._write(response, Frame(self.dialect.error_frame(self.envelope)))
            await response.write_eof()
            return True
        if self._due(self.directives.broken_after):
            await self._break_off(response)
            return True
        return False

    def _due(self, after: int | None) -> bool:
        """A fault that is set past the last content event strikes there."""
        return after is not None and self.logged.content_events_sent == min(after, self.logged.content_events_planned)

    async def _break_off(self, response: web.StreamResponse) -> None:
        if self.directives.cut_after is None:
            self.logged.fault = "stall"
            await _forever()
        self.logged.fault = "cut"
        if self.directives.cut == "end":
            await response.write_eof()
        else:
            self._cut_connection()

    def _cut_connection(self) -> None:
        """By a TCP reset, or by closing it wherever the body stands."""
        transport = self.request.transport
        if transport is None:
            return
        if self.directives.cut != "rst":
            transport.close()
            return
        connection = transport.get_extra_info("socket")
        if connection is not None:
            # A linger of 0 seconds makes the close send RST instead of FIN.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    async def _write(self, response: web.StreamResponse, frame: Frame) -> None:
        size = self.directives.split or len(frame.data)
        for start in range(0, len(frame.data), size):
            await response.write(frame.data[start : start + size])
        self.logged.events_sent += 1
        self.logged.content_events_sent += frame.content
        self.logged.usage_sent = self.logged.usage_sent or frame.usage


async def _forever() -> None:
    await asyncio.get_running_loop().create_future()
