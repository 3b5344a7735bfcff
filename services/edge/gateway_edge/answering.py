"""The one place where errors become HTTP, and where every request ends with a log line and its metrics."""

import asyncio
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from gateway_edge import metrics
from gateway_edge.answer_headers import complete_headers
from gateway_edge.connection import PublicConnection
from gateway_edge.error_response import error_response
from gateway_edge.host import check_host
from gateway_edge.request_record import CLIENT_CLOSED_REQUEST, RECORD, RequestRecord
from gateway_edge.resources import BODIES, DRAIN, SETTINGS
from gateway_shared import canonical_log, sse
from gateway_shared.errors import (
    BadRequest,
    BodyTooLarge,
    GatewayError,
    MethodNotAllowed,
    NotFound,
    ServerError,
    ServiceUnavailable,
)

_OVERLOAD_RETRY_AFTER_S = 1.0

_OF_STATUS: dict[int, type[GatewayError]] = {
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.METHOD_NOT_ALLOWED: MethodNotAllowed,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: BodyTooLarge,
}


@web.middleware
async def answer_every_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Outermost; what has no valid head never comes here (connection.py)."""
    resource = request.match_info.route.resource
    record = RequestRecord(request.method, resource.canonical if resource else "unmatched")
    request[RECORD] = record
    connection = request.protocol
    assert isinstance(connection, PublicConnection)
    status = CLIENT_CLOSED_REQUEST
    drain = request.app[DRAIN]
    connection.is_busy = True
    drain.enter()
    metrics.IN_FLIGHT.inc()
    try:
        response = await _answer(request, record, handler)
        if not response.prepared:
            complete_headers(request, response)
        # here and not in aiohttp, so that a request ends when its last byte has gone
        await response.prepare(request)
        await response.write_eof()
        status = response.status
    except ConnectionError:
        # the client is gone: there is nobody to tell, and aiohttp closes what is left
        record.error_code = "client_gone"
        raise
    finally:
        if record.held_bytes:
            request.app[BODIES].give_back(record.held_bytes)
        record.close(status)
        metrics.IN_FLIGHT.dec()
        drain.leave()
        connection.is_busy = False
    return response


async def _answer(request: web.Request, record: RequestRecord, handler: Handler) -> web.StreamResponse:
    try:
        app = request.app
        _check_load(app, record)
        check_host(request.headers.getall(hdrs.HOST, []), is_http_1_0=request.version < (1, 1))
        with app[DRAIN].interruptible():
            return await handler(request)
    except GatewayError as error:
        return await _tell(error, record)
    except web.HTTPException as error:
        return await _tell(_of_http_exception(error), record, allow=error.headers.get(hdrs.ALLOW))
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception as error:  # noqa: BLE001 - the rim: what nobody foresaw becomes a 500 and a log line
        canonical_log.exception("request failed", error, request_id=record.request_id)
        return await _tell(ServerError(), record)


def _check_load(app: web.Application, record: RequestRecord) -> None:
    """Beyond the bound nothing is looked up and no body is read; health and metrics are answered all the same.

    Raises ServiceUnavailable.
    """
    is_beyond = app[DRAIN].requests > app[SETTINGS].max_requests_in_flight
    if is_beyond and record.route.startswith("/v1/"):
        metrics.SHED.inc()
        raise ServiceUnavailable(retry_after_s=_OVERLOAD_RETRY_AFTER_S)


async def _tell(error: GatewayError, record: RequestRecord, *, allow: str | None = None) -> web.StreamResponse:
    """The error as an answer, or as the last event of a stream that has begun; never followed by `[DONE]`."""
    record.error_code = error.code
    if record.stream is not None:
        await record.stream.write(sse.write_data(error.body()))
        return record.stream
    response = error_response(error)
    if allow:
        response.headers[hdrs.ALLOW] = allow
    return response


def _of_http_exception(error: web.HTTPException) -> GatewayError:
    known = _OF_STATUS.get(error.status)
    if known is not None:
        return known()
    return BadRequest() if error.status < HTTPStatus.INTERNAL_SERVER_ERROR else ServerError()
