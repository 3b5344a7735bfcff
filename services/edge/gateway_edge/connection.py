"""One connection of the public port: what aiohttp's own does, and patience with an end.

    no whole request head within 10 s of its first byte (or of connecting)    closed
    nothing asked for 75 s (a head begun during the answer before counts so)  closed
    the client reads none of what waits for it for 120 s                      closed
    more connections than allowed                                             503 and closed
    bytes that are not HTTP                                                   400 in OpenAI's shape

A slow body is the handlers' to time (body.py): only they know whether one is wanted.
"""

import asyncio
from http import HTTPStatus
from typing import cast

from aiohttp import web

from gateway_edge import metrics
from gateway_edge.error_response import error_response
from gateway_edge.request_record import RECORD, RequestRecord
from gateway_shared import canonical_log
from gateway_shared.errors import BadRequest, GatewayError, ServerError, ServiceUnavailable, UpstreamTimeout

HEAD_PATIENCE_S = 10.0
IDLE_PATIENCE_S = 75.0
READER_PATIENCE_S = 120.0
LINGERING_S = 2.0
"""How long the rest of a refused body is thrown away, so that the client reads the refusal and not a reset."""


class PublicConnection(web.RequestHandler):
    """The outermost middleware says when it `is_busy`: from a whole head to the last byte of the answer."""

    def __init__(self, server: web.Server, *, max_connections: int) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=IDLE_PATIENCE_S,
            lingering_time=LINGERING_S,
            access_log=None,  # type: ignore[arg-type] # documented: None switches it off
            auto_decompress=False,
        )
        self._server = server
        self._max_connections = max_connections
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_awaited_since_s: float | None = None
        self._reader_timer: asyncio.TimerHandle | None = None
        self._is_busy = False

    @property
    def is_busy(self) -> bool:
        return self._is_busy

    @is_busy.setter
    def is_busy(self, is_busy: bool) -> None:
        self._is_busy = is_busy
        self._head_awaited_since_s = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        metrics.CONNECTIONS.inc()
        if len(self._server.connections) > self._max_connections:
            cast("asyncio.Transport", transport).write(_too_many())
            self.force_close()
            return
        self._await_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        metrics.CONNECTIONS.dec()
        self._stop_head_timer()
        self._stop_reader_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._is_busy and self._head_awaited_since_s is None:
            self._await_head()
        super().data_received(data)

    def pause_writing(self) -> None:
        self._reader_timer = self._loop.call_later(READER_PATIENCE_S, self._drop)
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stop_reader_timer()
        super().resume_writing()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it can quote what was sent
    ) -> web.StreamResponse:
        """Answers what the app never saw: bytes that are no HTTP request, or a failure outside every handler."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun and cannot be replaced")
        if exc is not None and status == HTTPStatus.INTERNAL_SERVER_ERROR:
            canonical_log.exception("connection failed", exc)
        error = _ERRORS.get(status, ServerError)()
        record = request.get(RECORD) or RequestRecord("UNKNOWN", "unparsed", error_code=error.code)
        if RECORD not in request:
            record.close(status)
        response = error_response(error)
        response.headers["x-request-id"] = record.request_id
        response.force_close()
        return response

    def _await_head(self) -> None:
        """One timer serves many requests: it is not stopped by a head that comes, it looks again when it fires."""
        self._head_awaited_since_s = self._loop.time()
        if self._head_timer is None:
            self._head_timer = self._loop.call_later(HEAD_PATIENCE_S, self._on_head_timer)

    def _on_head_timer(self) -> None:
        self._head_timer = None
        if self._head_awaited_since_s is None:
            return
        due_s = self._head_awaited_since_s + HEAD_PATIENCE_S
        if due_s > self._loop.time():
            self._head_timer = self._loop.call_at(due_s, self._on_head_timer)
        else:
            self._drop()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_reader_timer(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None

    def _drop(self) -> None:
        """Ends the connection at once, with what it had not yet read."""
        if self.transport is not None:
            self.transport.abort()


_ERRORS: dict[int, type[GatewayError]] = {
    HTTPStatus.BAD_REQUEST: BadRequest,
    HTTPStatus.GATEWAY_TIMEOUT: UpstreamTimeout,
}


def _too_many() -> bytes:
    body = ServiceUnavailable("Too many open connections.").body()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
        f"Connection: close\r\nx-request-id: {RequestRecord('UNKNOWN', 'unparsed').request_id}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
