"""A call over the hop, its answer written to the client as it comes."""

from collections.abc import Mapping

from aiohttp import web

from gateway_edge import metrics
from gateway_edge.answer_headers import complete_headers
from gateway_edge.request_record import RECORD
from gateway_edge.resources import BODIES, ROUTER
from gateway_shared.errors import RouterUnavailable
from gateway_shared.hop import HopLost
from gateway_shared.hop_client import HopResponse

_RETRY_AFTER_S = 1.0
_RELAYED_HEADERS = frozenset({"content-type", "retry-after", "x-should-retry", "etag", "location"})
_RELAYED_PREFIX = "x-gateway-"
_EVENT_STREAM = "text/event-stream"
_STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
_EVENT_END = b"\n\n"


async def relay(request: web.Request, operation: str, head: bytes, body: bytes = b"") -> web.StreamResponse:
    """The router's answer, sent (a stream) or ready to be sent (anything else).

    A client that leaves cancels the call. Raises RouterUnavailable, also after a stream has begun, and
    ServiceUnavailable for an answer that there is no room for.
    """
    record = request[RECORD]
    call = request.app[ROUTER].request(operation, head, body)
    del body  # the hop lets go of it once it is sent
    try:
        async with call as answer:
            headers = _relayed(answer.headers)
            if not headers.get("content-type", "").startswith(_EVENT_STREAM):
                return web.Response(status=answer.status, headers=headers, body=await _whole(request, answer))
            return await _relay_stream(request, answer, headers)
    except HopLost as error:
        metrics.HOP_LOST.labels("mid_stream" if record.stream else "before_first_byte").inc()
        raise RouterUnavailable(retry_after_s=_RETRY_AFTER_S) from error


async def _whole(request: web.Request, answer: HopResponse) -> bytes:
    """All but the first part counts as held until the client has it: most answers have no more."""
    parts: list[bytes] = []
    async for part in answer.chunks():
        if parts:
            request[RECORD].held_bytes += len(part)
            request.app[BODIES].take(len(part))
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _relay_stream(request: web.Request, answer: HopResponse, headers: dict[str, str]) -> web.StreamResponse:
    chunks = answer.chunks()
    # before the head is sent, so that a router lost until here is still an ordinary error
    chunk = await anext(chunks, b"")
    stream = web.StreamResponse(status=answer.status, headers={**headers, **_STREAM_HEADERS})
    complete_headers(request, stream)
    await stream.prepare(request)
    request[RECORD].stream = stream
    try:
        await stream.write(chunk)
        async for chunk in chunks:
            # awaited: a client that reads slowly slows the provider, and nothing piles up here
            await stream.write(chunk)
    except HopLost:
        if not chunk.endswith(_EVENT_END):
            await stream.write(_EVENT_END)  # the error that follows is an event of its own
        raise
    return stream


def _relayed(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value for name, value in headers.items() if name in _RELAYED_HEADERS or name.startswith(_RELAYED_PREFIX)
    }
