"""The router's end of the hop: an operation is a coroutine function that gets a call and answers it."""

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from gateway_shared import canonical_log
from gateway_shared.errors import BodyTooLarge, GatewayError, Overloaded, ServerError
from gateway_shared.hop import OWN_ERROR, HopLost
from gateway_shared.hop_link import Link
from gateway_shared.hop_stream import Stream
from gateway_shared.listener import Listener, ListeningSocket
from gateway_shared.tls import PeerIdentity, PeerRefused, peer_identity

MAX_CALL_BYTES = 256 * 1024 * 1024
"""A bound for a peer that we trust; the limit that clients meet is the edge's."""
OVERLOAD_RETRY_AFTER_S = 1.0


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

    def put(self, chunk: bytes) -> bool:
        """As `write` where that needs no waiting, once `start` is done; False where it does, or the edge is gone."""
        return self._stream.put(chunk)

    async def send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """A whole answer at once."""
        self.started = True
        await self._stream.send(body, head=_pack_head(status, headers), end=True)


@dataclass(slots=True)
class HopCall:
    """`head` is the operation's own JSON; `body` the rest of the client's bytes."""

    head: bytes
    body: bytes

    def take_body(self) -> bytes:
        """Once: an answer may stream for minutes, and needs none of it."""
        body, self.body = self.body, b""
        return body


Serve = Callable[[HopCall, HopAnswer], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Operation:
    """`callers`: the identities that may call it; `max_open`: how many calls at once, on all connections."""

    serve: Serve
    callers: frozenset[str]
    max_open: int | None = None


class HopServer:
    """The listener's links."""

    def __init__(self, operations: Mapping[str, Operation], *, deployment: str) -> None:
        self._operations = operations
        self._deployment = deployment
        self.links: set[_ServerLink] = set()
        self.drains = self.is_over = False
        self._open = Counter[str]()
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
        return _ServerLink(self)

    async def drain(self, within_s: float) -> bool:
        """Lets open calls end and takes no new ones; False when some are left after `within_s` seconds."""
        self.close()
        self.drains = True  # for those that were in their handshake, too
        for link in self.links:
            link.drain()
        try:
            async with asyncio.timeout(within_s):
                while self.links:
                    await next(iter(self.links)).closed.wait()
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
        self.is_over = True
        links = list(self.links)
        tasks = [stream.task for link in links for stream in link.streams.values() if stream.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for link in links:
            link.close()

    def identify(self, certificate: dict[str, Any] | None) -> PeerIdentity:
        """Raises PeerRefused for who may call nothing here."""
        peer = peer_identity(certificate, deployment=self._deployment)
        if not any(peer.name in operation.callers for operation in self._operations.values()):
            raise PeerRefused(f"{peer.name} may call nothing")
        return peer

    def admit(self, name: str, peer: PeerIdentity) -> Operation:
        """Before a call's body is read; `leave` in the end.

        Raises PeerRefused, and Overloaded beyond the bound.
        """
        # looked at per call: an expired certificate still works on a kept connection otherwise
        if peer.expires_at_s <= time.time():
            raise PeerRefused("the client certificate has expired")
        operation = self._operations.get(name)
        if operation is None or peer.name not in operation.callers:
            raise PeerRefused(f"{peer.name} may not call {name[:64]!r}")
        if operation.max_open is not None and self._open[name] >= operation.max_open:
            raise Overloaded(retry_after_s=OVERLOAD_RETRY_AFTER_S)
        self._open[name] += 1
        return operation

    def leave(self, name: str) -> None:
        self._open[name] -= 1


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

    def __init__(self, hop: HopServer) -> None:
        super().__init__(self._answer)
        self._hop = hop
        self._peer: PeerIdentity | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._hop.links.add(self)
        try:
            self._peer = self._hop.identify(transport.get_extra_info("peercert"))
        except PeerRefused as refused:
            canonical_log.warning("peer refused", reason=str(refused))
            self.refuse()
            self.close()
            return
        self.greet()
        if self._hop.is_over:
            self.close()
        elif self._hop.drains:
            self.drain()

    def connection_lost(self, exc: Exception | None) -> None:
        self._hop.links.discard(self)
        super().connection_lost(exc)

    async def _answer(self, stream: Stream) -> None:
        answer = HopAnswer(stream)
        try:
            asked, _, head = (await stream.head()).partition(b"\n")
            if self._peer is None:
                raise PeerRefused("it was told so")
            name = asked.decode("ascii", "replace")
            operation = self._hop.admit(name, self._peer)
            try:
                await operation.serve(HopCall(head, await _read_body(stream)), answer)
            finally:
                self._hop.leave(name)
            if not answer.started:
                raise RuntimeError("the operation returned without an answer")
            await stream.finish()
        except PeerRefused as refused:
            # what exactly was wrong is for the log only
            canonical_log.warning("peer refused", reason=str(refused))
            self.refuse(stream)
            self.drain()  # its next connection may show a newer certificate
        except GatewayError as error:
            await _send_error(answer, stream, error)
        except HopLost:
            raise
        except Exception as error:  # noqa: BLE001 - the rim: a fault of ours becomes a 500 of one call
            canonical_log.exception("hop call failed", error)
            await _send_error(answer, stream, ServerError())


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
        await answer.send(error.status, {"content-type": "application/json", **error_headers(error)}, error.body())
    else:
        stream.close()


def error_headers(error: GatewayError) -> dict[str, str]:
    """What an error says beside its body: to the client when to ask again, to the edge whether to ask here."""
    headers: dict[str, str] = {}
    if error.retry_after_s is not None:
        headers["retry-after"] = f"{error.retry_after_s:.0f}"
    if error.is_of_the_process:
        headers[OWN_ERROR] = "1"
    return headers


def _pack_head(status: int, headers: Mapping[str, str]) -> bytes:
    return orjson.dumps((status, {name.lower(): value for name, value in headers.items()}))
