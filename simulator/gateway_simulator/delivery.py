"""Sends a planned answer over HTTP at the pace, and with the faults, that its directives ask for.

Whoever waits here is cancelled when the client leaves (the server runs with `handler_cancellation`), so no time is
spent for a client that is gone.
"""

import asyncio
import socket
import struct
from collections.abc import Iterable

import orjson
from aiohttp import web

from gateway_simulator.answer import Answer
from gateway_simulator.dialect import Dialect, Envelope, Frame
from gateway_simulator.directives import Directives
from gateway_simulator.request_log import LoggedRequest

_MALFORMED = b'data: {"id": "malformed", "choices": [{"index": 0, "delta": {"content": "tor\n\n'


class ConnectionCut(Exception):
    """The directive asked for a broken connection, and it is broken."""


async def send_stream(
    request: web.Request,
    dialect: Dialect,
    answer: Answer,
    envelope: Envelope,
    directives: Directives,
    logged: LoggedRequest,
) -> web.StreamResponse:
    """Raises ConnectionCut once it has broken the connection, ConnectionResetError when the client has."""
    headers = {**dialect.headers(envelope), "cache-control": "no-cache", "content-type": dialect.content_type}
    response = web.StreamResponse(headers=headers)
    response.enable_chunked_encoding()
    await response.prepare(request)
    logged.status = response.status
    await asyncio.sleep(directives.ttft_ms / 1000)
    for frame in dialect.frames(answer, envelope):
        if await _fault(request, response, dialect, envelope, directives, logged, next_is_content=frame.content):
            return response
        if frame.content and logged.content_events_sent and directives.delay_ms:
            await asyncio.sleep(directives.delay_ms / 1000)
        await _write(response, frame.data, directives)
        _count(logged, frame)
    await response.write_eof()
    logged.usage_sent = not answer.no_usage
    return response


async def send_document(
    request: web.Request,
    dialect: Dialect,
    answer: Answer,
    envelope: Envelope,
    directives: Directives,
    logged: LoggedRequest,
) -> web.StreamResponse:
    """A plain answer. A cut or stall `_after=0` strikes between headers and body, else in the middle of the body."""
    await asyncio.sleep(directives.ttft_ms / 1000)
    body = orjson.dumps(dialect.document(answer, envelope))
    if directives.error_after is not None:
        logged.fault = "error"
        body = orjson.dumps(dialect.error(500, None, None, envelope))
    if directives.malformed_after is not None:
        logged.fault = "malformed"
        body = body[: len(body) // 2]
    response = web.StreamResponse(headers=dialect.headers(envelope))
    response.content_type = "application/json"
    response.content_length = len(body)
    await response.prepare(request)
    logged.status = response.status
    broken_at = next((after for after in (directives.cut_after, directives.stall_after) if after is not None), None)
    if broken_at is not None:
        await response.write(body[: len(body) // 2 if broken_at else 0])
        await _stall_or_cut(request, directives, logged)
    await _write(response, body, directives)
    await response.write_eof()
    logged.usage_sent = not answer.no_usage and logged.fault is None
    return response


def cut_connection(request: web.Request, *, reset: bool) -> None:
    """Break the connection: by a TCP reset, or by closing it in the middle of the body."""
    transport = request.transport
    if transport is None:
        return
    if not reset:
        transport.close()
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        # A linger of 0 seconds makes close() send RST instead of FIN.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def wait_for_ever() -> None:
    await asyncio.get_running_loop().create_future()


async def _fault(
    request: web.Request,
    response: web.StreamResponse,
    dialect: Dialect,
    envelope: Envelope,
    directives: Directives,
    logged: LoggedRequest,
    *,
    next_is_content: bool,
) -> bool:
    """Carry out the fault that is due before the next frame. True when the stream is thereby over."""
    sent = logged.content_events_sent

    def due(after: int | None) -> bool:
        """After N content events, before anything else; a fault past the last one strikes there."""
        if after is None:
            return False
        return sent >= min(after, logged.content_events_planned) and (after == 0 or sent > 0 or not next_is_content)

    if due(directives.malformed_after) and logged.fault is None:
        logged.fault = "malformed"
        await _write(response, _MALFORMED, directives)
        logged.events_sent += 1
    if due(directives.error_after):
        logged.fault = "error"
        await _write(response, dialect.error_frame(envelope), directives)
        logged.events_sent += 1
        await response.write_eof()
        return True
    if due(directives.cut_after) and directives.cut == "end":
        logged.fault = "cut"
        await response.write_eof()
        return True
    if due(directives.cut_after) or due(directives.stall_after):
        await _stall_or_cut(request, directives, logged)
    return False


async def _stall_or_cut(request: web.Request, directives: Directives, logged: LoggedRequest) -> None:
    if directives.cut_after is not None:
        logged.fault = "cut"
        cut_connection(request, reset=directives.cut == "rst")
        raise ConnectionCut
    logged.fault = "stall"
    await wait_for_ever()


async def _write(response: web.StreamResponse, data: bytes, directives: Directives) -> None:
    for piece in _pieces(data, directives.split):
        await response.write(piece)


def _pieces(data: bytes, size: int | None) -> Iterable[bytes]:
    return (data,) if size is None else (data[start : start + size] for start in range(0, len(data), size))


def _count(logged: LoggedRequest, frame: Frame) -> None:
    logged.events_sent += 1
    logged.content_events_sent += frame.content
