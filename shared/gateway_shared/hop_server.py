"""The router's end of the hop: an operation is a coroutine function that gets a call and answers it."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from gateway_shared import canonical_log
from gateway_shared.errors import GatewayError, PermissionDenied, ServerError
from gateway_shared.hop import HopCallInvalid, unpack_call
from gateway_shared.tls import PeerRefused, peer_identity

MAX_CALL_BYTES = 256 * 1024 * 1024
"""A bound for a peer that we trust; the limit that clients meet is the edge's."""


class HopAnswer:
    """The response of one call: `start` once, then `write` any number of times; returning ends it."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self.response: web.StreamResponse | None = None

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        self.response = web.StreamResponse(status=status, headers=headers)
        await self.response.prepare(self._request)

    async def write(self, chunk: bytes) -> None:
        """Waits while the edge does not read. Raises ConnectionError when it is gone."""
        assert self.response is not None
        await self.response.write(chunk)

    async def send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """A whole answer at once."""
        self.response = web.Response(status=status, headers=headers, body=body)


@dataclass(frozen=True, slots=True)
class HopCall:
    """`head` is the operation's own JSON; `body` the rest of the client's bytes."""

    head: bytes
    body: bytes


Serve = Callable[[HopCall, HopAnswer], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Operation:
    """`callers`: the identities that may call it."""

    serve: Serve
    callers: frozenset[str]


def hop_app(operations: Mapping[str, Operation], *, deployment: str) -> web.Application:
    """Serves `operations` by name. Run it with `handler_cancellation=True` on an mTLS listener."""

    async def handle(request: web.Request) -> web.StreamResponse:
        answer = HopAnswer(request)
        try:
            operation = operations.get(request.match_info["operation"])
            if operation is None:
                raise PermissionDenied("no such operation")
            _check_peer(request, operation, deployment)
            await operation.serve(HopCall(*unpack_call(await request.read())), answer)
        except GatewayError as error:
            if answer.response is not None:
                raise
            return error_response(error)
        except HopCallInvalid as error:
            canonical_log.exception("hop call refused", error)
            return error_response(ServerError())
        if answer.response is None:
            raise RuntimeError("the operation returned without an answer")
        return answer.response

    app = web.Application(client_max_size=MAX_CALL_BYTES)
    app.router.add_post("/hop/{operation}", handle)
    return app


def error_response(error: GatewayError) -> web.Response:
    headers = {} if error.retry_after_s is None else {"Retry-After": f"{error.retry_after_s:.0f}"}
    return web.Response(status=error.status, body=error.body(), content_type="application/json", headers=headers)


def _check_peer(request: web.Request, operation: Operation, deployment: str) -> None:
    transport = request.transport
    try:
        if transport is None:
            raise PeerRefused("the connection is gone")
        # read per request: an expired certificate still works on a kept connection otherwise
        peer = peer_identity(transport.get_extra_info("peercert"), deployment=deployment)
        if peer.expires_at_s <= time.time():
            raise PeerRefused("the client certificate has expired")
        if peer.name not in operation.callers:
            raise PeerRefused(f"{peer.name} may not call this operation")
    except PeerRefused as error:
        canonical_log.warning("peer refused", reason=str(error))
        raise PermissionDenied("This identity may not call the router.") from error
