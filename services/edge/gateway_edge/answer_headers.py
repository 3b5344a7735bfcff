"""The header fields that every answer of the public API has."""

from aiohttp import hdrs, web

from gateway_edge.request_record import RECORD
from gateway_edge.resources import DRAIN


def complete_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Before the response is prepared: the request's id, its limits, and the end of the connection when draining."""
    record = request[RECORD]
    headers = response.headers
    headers["x-request-id"] = record.request_id
    headers.update(record.headers)
    if request.app[DRAIN].begun:
        headers[hdrs.CONNECTION] = "close"
        response.force_close()
