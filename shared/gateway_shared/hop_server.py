"""The router's end of the hop: an operation is a coroutine function that gets a call and answers it."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import orjson

from gateway_shared import canonical_log
from gateway_shared.errors import BodyTooLarge, GatewayError, PermissionDenied, ServerError
from gateway_shared.hop import HopLost
from gateway_shared.hop_link import Link
from gateway_shared.hop_stream import Stream
from gateway_shared.listener import Listener, ListeningSocket
from gateway_shared.tls import PeerIdentity, PeerRefused, peer_identity

MAX_CALL_BYTES = 256 * 1024 * 1024
"""A bound for a peer that we trust; the limit that clients meet is the edge's."""


class HopAnswer:
    """The response of one call: `start` once, then `write` any number of times; returning ends it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._head: bytes | None = None
        self.started = False

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """The head leaves with the first bytes that are written, or alone in the next loop tick."""
        self.started = True
        await self._stream.send(head=_pack_head(status, headers))

    async def write(self, chunk: bytes) -> None:
        """Waits while the edge does not read. Raises HopLost when it is gone."""
        await self._stream.send(chunk)

    async def send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """A whole answer at once."""
        self.started = True
        await self._stream.send(body, head=_pack_head(status, headers), end=True)


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


class HopServer:
    """The listener's links."""

    def __init__(self, operations: Mapping[str, Operation], *, deployment: str) -> None:
        self._operations = operations
        self._deployment = deployment
        self._links: set[_ServerLink] = set()
        self._listener: Listener | None = None

    @property
    def port(self) -> int:
        """The port, when it was bound here."""
        assert isinstance(self._listener, ListeningSocket)
        return self._listener.port

    async def listen(self, listener: Listener, tls: ssl.SSLContext) -> None:
        self._listener = listener
        await listener.open(self._make_link, tls=tls)

    def _make_link(self) -> "_ServerLink":
        return _ServerLink(self._operations, self._deployment, self._links)

    async def drain(self, within_s: float) -> bool:
        """Lets open calls end and takes no new ones; False when some are left after `within_s` seconds."""
        self.close()
        links = list(self._links)
        for link in links:
            link.drain()
        try:
            async with asyncio.timeout(within_s):
                for link in links:
                    await link.closed.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Takes no new connections; those that are there go on."""
        if self._listener is not None:
            self._listener.close()

    async def abort(self) -> None:
        """Ends what is left; each call is cancelled and may still say how it ended."""
        self.close()
        links = list(self._links)
        tasks = [stream.task for link in links for stream in link.streams.values() if stream.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for link in links:
            link.close()


@asynccontextmanager
async def serve_hop(
    operations: Mapping[str, Operation],
    *,
    tls: ssl.SSLContext,
    deployment: str,
    listener: Listener | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[HopServer]:
    """Serves `operations` by name over mutual TLS, to whom `listener` brings or, without one, on a port bound here.

    Leaving the block aborts what is open.
    """
    hop = HopServer(operations, deployment=deployment)
    await hop.listen(listener or ListeningSocket.bound_to(host, port), tls)
    try:
        yield hop
    finally:
        await hop.abort()


class _ServerLink(Link):
    """A connection from an edge: who it is was proven in the handshake, whether it still is, per call."""

    def __init__(self, operations: Mapping[str, Operation], deployment: str, links: "set[_ServerLink]") -> None:
        super().__init__(self._answer)
        self._operations = operations
        self._deployment = deployment
        self._links = links
        self._peer: PeerIdentity | PeerRefused = PeerRefused("not connected")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._links.add(self)
        try:
            self._peer = peer_identity(transport.get_extra_info("peercert"), deployment=self._deployment)
        except PeerRefused as refused:
            self._peer = refused

    def connection_lost(self, exc: Exception | None) -> None:
        self._links.discard(self)
        super().connection_lost(exc)

    async def _answer(self, stream: Stream) -> None:
        answer = HopAnswer(stream)
        try:
            name, _, head = (await stream.head()).partition(b"\n")
            operation = self._operation(name.decode("ascii", "replace"))
            await operation.serve(HopCall(head, await _read_body(stream)), answer)
            if not answer.started:
                raise RuntimeError("the operation returned without an answer")
            await stream.finish()
        except GatewayError as error:
            await _send_error(answer, stream, error)
        except HopLost:
            raise
        except Exception as error:  # noqa: BLE001 - the rim: a fault of ours becomes a 500 of one call
            canonical_log.exception("hop call failed", error)
            await _send_error(answer, stream, ServerError())

    def _operation(self, name: str) -> Operation:
        """Raises PermissionDenied; what exactly was wrong goes to the log only."""
        try:
            if isinstance(self._peer, PeerRefused):
                raise self._peer
            # looked at per call: an expired certificate still works on a kept connection otherwise
            if self._peer.expires_at_s <= time.time():
                raise PeerRefused("the client certificate has expired")
            operation = self._operations.get(name)
            if operation is None or self._peer.name not in operation.callers:
                raise PeerRefused(f"{self._peer.name} may not call {name[:64]!r}")
        except PeerRefused as refused:
            canonical_log.warning("peer refused", reason=str(refused))
            raise PermissionDenied("This identity may not call the router.") from refused
        return operation


async def _read_body(stream: Stream) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := await stream.read():
        size += len(part)
        if size > MAX_CALL_BYTES:
            raise BodyTooLarge
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _send_error(answer: HopAnswer, stream: Stream, error: GatewayError) -> None:
    """Before the head an error is an answer; after it, the stream is cancelled and the edge says so."""
    if not answer.started:
        headers = {"content-type": "application/json"}
        if error.retry_after_s is not None:
            headers["retry-after"] = f"{error.retry_after_s:.0f}"
        await answer.send(error.status, headers, error.body())
    else:
        stream.close()


def _pack_head(status: int, headers: Mapping[str, str]) -> bytes:
    return orjson.dumps((status, {name.lower(): value for name, value in headers.items()}))
