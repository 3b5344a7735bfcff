"""The edge's end of the hop: a few long-lived connections to each router, and the choice among them."""

import asyncio
import random
import ssl
import time
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType

import orjson

from gateway_shared import canonical_log
from gateway_shared.errors import BadRequest
from gateway_shared.hop import ROUTER, HopLost, HopRefused
from gateway_shared.hop_frames import FrameInvalid
from gateway_shared.hop_link import Link
from gateway_shared.hop_stream import Stream
from gateway_shared.tls import PeerIdentity, PeerRefused, peer_identity

CONNECTIONS_PER_ROUTER = 2
"""A lost packet stalls all streams of its connection: so more than one."""
CONNECT_TIMEOUT_S = 5.0
WAIT_FOR_LINK_S = 2.0
"""How long a request waits for a router to come back before it fails."""
RENEW_AFTER_S = 12 * 60.0
"""Expiry is looked at in the handshake, so connections are renewed; under the 15 minutes of SECURITY."""
BACKOFF_S = (0.05, 2.0)
_REFUSALS = (PeerRefused, HopRefused, ssl.SSLCertVerificationError)
REFUSED_BACKOFF_S = 5.0
"""For a router that was reached and will not have us, or is none: another try at once mends nothing."""
_WORTH_A_WRITE = 8
SETTLED_S = 5.0
"""A connection that ends sooner counts as a failed one."""


class HopResponse:
    """Status, header fields (lower case) and the body as it comes."""

    def __init__(self, stream: Stream, status: int, headers: Mapping[str, str]) -> None:
        self._stream = stream
        self.status = status
        self.headers = headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """What came since the last read. Raises HopLost when the router goes away before the end."""
        while chunk := await self._stream.read():
            yield chunk

    async def read(self) -> bytes:
        """The whole body. Raises HopLost."""
        parts: list[bytes] = []
        while part := await self._stream.read():
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


class HopClient:
    """Calls the least loaded of one or several routers; made inside a running loop, to be closed there.

    `urls` is `https://host:port`, or several of them with commas between. A router that cannot be
    reached, or drains, gets no new call; its connections are tried again with full jitter.
    """

    def __init__(self, urls: str, tls: ssl.SSLContext, *, connections: int = CONNECTIONS_PER_ROUTER) -> None:
        self._changed = asyncio.Event()
        self._routers = [_Router(url.strip(), tls, self._changed, connections) for url in urls.split(",")]
        self._tasks = [
            asyncio.create_task(slot.keep(), name="hop connection") for router in self._routers for slot in router.slots
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def request(self, operation: str, head: bytes, body: bytes = b"") -> "HopRequest":
        """A block whose value is the answer, a HopResponse; leaving it before the body's end cancels the call.

        Raises HopLost.
        """
        return HopRequest(self._choice, operation.encode() + b"\n" + head, body)

    @property
    def is_connected(self) -> bool:
        """Whether some router would take a call now."""
        return self._least_loaded() is not None

    async def _choice(self) -> "_Choice":
        choice = self._least_loaded()
        if choice is not None:
            return choice
        try:
            async with asyncio.timeout(WAIT_FOR_LINK_S):
                while (choice := self._least_loaded()) is None:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            raise HopLost("no router takes calls") from error
        return choice

    def _least_loaded(self) -> "_Choice | None":
        """The router with the fewest calls of ours, and of its connections the one with the fewest streams."""
        best: _Choice | None = None
        for router in self._routers:
            if best is not None and router.calls >= best[0].calls:
                continue
            links = [slot.link for slot in router.slots if slot.link is not None and slot.link.takes_streams]
            if links:
                best = router, min(links, key=_load)
        if best is not None and len(self._routers) > 1:
            self._routers.remove(best[0])  # among equals it is another one's turn next
            self._routers.append(best[0])
        return best


def _load(link: Link) -> int:
    """Its streams; one that writes in this loop tick anyway is taken first, since each write costs a system call."""
    return len(link.streams) - (_WORTH_A_WRITE if link.has_output else 0)


class HopRequest:
    """See HopClient.request."""

    __slots__ = ("_body", "_choose", "_head", "_router", "_stream")

    def __init__(self, choose: "Callable[[], Awaitable[_Choice]]", head: bytes, body: bytes) -> None:
        self._choose, self._head, self._body = choose, head, body

    async def __aenter__(self) -> HopResponse:
        self._router, link = await self._choose()
        stream = self._stream = link.open()
        self._router.calls += 1
        try:
            body, self._body = self._body, b""
            await _send(stream, self._head, body)
            del body  # an answer may stream for minutes
            status, headers = orjson.loads(await stream.head())
        except BaseException:
            self._leave()
            raise
        return HopResponse(stream, status, headers)

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self._router.calls -= 1
        self._stream.close()


async def _send(stream: Stream, head: bytes, body: bytes) -> None:
    """Raises HopLost, but not where the router has answered without waiting for the body's end; BadRequest."""
    try:
        await stream.send(body, head=head, end=True)
    except HopLost:
        if not stream.is_answered:
            raise
    except FrameInvalid as error:
        raise BadRequest("The request's members beside its messages are too long.") from error


class _Router:
    """`calls`: how many of ours it has now."""

    def __init__(self, url: str, tls: ssl.SSLContext, changed: asyncio.Event, connections: int) -> None:
        self.calls = 0
        reach = _Reach(urllib.parse.urlsplit(url).netloc)
        self.slots = [_Slot(url, tls, changed, reach) for _ in range(connections)]


class _Reach:
    """Tells the log what stands between us and one router: each problem once, until it is reached again."""

    def __init__(self, router: str) -> None:
        self._router = router
        self._told: set[str] = set()

    def failed(self, error: BaseException) -> None:
        error_class = type(error).__name__
        if error_class not in self._told:
            self._told.add(error_class)
            canonical_log.warning("router not reached", router=self._router, error_class=error_class)

    def succeeded(self) -> None:
        if self._told:
            self._told.clear()
            canonical_log.info("router reached again", router=self._router)


_Choice = tuple[_Router, Link]


class _Slot:
    """Keeps one connection to one router alive: connects, renews, reconnects."""

    def __init__(self, url: str, tls: ssl.SSLContext, changed: asyncio.Event, reach: _Reach) -> None:
        address = urllib.parse.urlsplit(url)
        if address.scheme != "https" or not address.hostname or not address.port:
            raise ValueError(f"{url!r} is not https://host:port")
        self.link: Link | None = None
        self._host, self._port = address.hostname, address.port
        self._tls = tls
        self._changed = changed
        self._reach = reach
        self._ended = asyncio.Event()
        self._open: set[Link] = set()
        self._expiry: asyncio.TimerHandle | None = None

    async def keep(self) -> None:
        try:
            backoff_s = BACKOFF_S[0]
            while True:
                since_s = time.monotonic()
                longest_s = backoff_s
                try:
                    await self._connect()
                except (OSError, TimeoutError, PeerRefused) as error:
                    self._reach.failed(error)
                    if isinstance(error, _REFUSALS):
                        longest_s = REFUSED_BACKOFF_S
                else:
                    self._reach.succeeded()
                    await self._until_renewal()
                    if time.monotonic() - since_s > SETTLED_S:
                        backoff_s = BACKOFF_S[0]
                        continue
                await asyncio.sleep(random.uniform(0, longest_s))  # noqa: S311 - jitter, not a secret
                backoff_s = min(backoff_s * 2, BACKOFF_S[1])
        finally:
            if self._expiry is not None:
                self._expiry.cancel()
            for link in self._open:
                link.transport.abort()

    async def _connect(self) -> None:
        """Only a router that has let us in takes the old connection's place.

        Raises OSError, TimeoutError or PeerRefused.
        """
        link = Link(on_change=self._on_change)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await asyncio.get_running_loop().create_connection(lambda: link, self._host, self._port, ssl=self._tls)
                self._open.add(link)
                expires_at_s = _router_at(link).expires_at_s
                await link.greeted()
        except (OSError, TimeoutError, PeerRefused):
            if link in self._open:
                link.transport.abort()
            raise
        old, self.link = self.link, link
        self._expire_at(expires_at_s)
        if old is not None:
            old.drain()
        self._changed.set()

    def _expire_at(self, expires_at_s: float) -> None:
        """From then on (Unix time) the router's certificate is none: what runs goes on, nothing new is sent there."""
        if self._expiry is not None:
            self._expiry.cancel()
        good_for_s = max(0.0, expires_at_s - time.time())
        self._expiry = asyncio.get_running_loop().call_later(good_for_s, self._expire)

    def _expire(self) -> None:
        assert self.link is not None
        self.link.drain()
        self._ended.set()

    async def _until_renewal(self) -> None:
        """Returns when the link takes no more calls, or is old; an old one goes on until its successor is there."""
        assert self.link is not None
        renew_at_s = time.monotonic() + RENEW_AFTER_S * random.uniform(0.8, 1.0)  # noqa: S311
        while not self.link.is_ending:
            self._ended.clear()
            try:
                async with asyncio.timeout(renew_at_s - time.monotonic()):
                    await self._ended.wait()
            except TimeoutError:
                return

    def _on_change(self, link: Link) -> None:
        if link.closed.is_set():
            self._open.discard(link)
        if link is self.link and link.is_ending:
            self._ended.set()
        self._changed.set()


def _router_at(link: Link) -> PeerIdentity:
    """Raises PeerRefused: another part of ours, with a certificate of the same authority, is not a router."""
    peer = peer_identity(link.transport.get_extra_info("peercert"))
    if peer.name != ROUTER:
        raise PeerRefused(f"{peer.name} answers where a router should")
    return peer
