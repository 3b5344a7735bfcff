"""The edge's end of the hop: a few long-lived connections to each router, and the choice among them."""

import asyncio
import random
import ssl
import time
import urllib.parse
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import orjson

from gateway_shared import canonical_log
from gateway_shared.hop import HopLost
from gateway_shared.hop_link import Link
from gateway_shared.hop_stream import Stream

CONNECTIONS_PER_ROUTER = 2
"""A lost packet stalls all streams of its connection: so more than one."""
CONNECT_TIMEOUT_S = 5.0
WAIT_FOR_LINK_S = 2.0
"""How long a request waits for a router to come back before it fails."""
RENEW_AFTER_S = 12 * 60.0
"""Expiry is looked at in the handshake, so connections are renewed; under the 15 minutes of SECURITY."""
BACKOFF_S = (0.05, 2.0)
SETTLED_S = 5.0
"""A connection that ends sooner counts as a failed one: under TLS 1.3 a refused client sees it only then."""


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
        self._slots = [_Slot(url.strip(), tls, self._changed) for url in urls.split(",") for _ in range(connections)]
        self._tasks = [asyncio.create_task(slot.keep(), name="hop connection") for slot in self._slots]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @asynccontextmanager
    async def request(self, operation: str, head: bytes, body: bytes = b"") -> AsyncIterator[HopResponse]:
        """Leaving the block before the body's end cancels the call at the router. Raises HopLost."""
        stream = (await self._link()).open()
        try:
            await stream.send(body, head=operation.encode() + b"\n" + head, end=True)
            status, headers = orjson.loads(await stream.head())
            yield HopResponse(stream, status, headers)
        finally:
            stream.close()

    @property
    def is_connected(self) -> bool:
        """Whether some router would take a call now."""
        return self._least_loaded() is not None

    async def _link(self) -> Link:
        link = self._least_loaded()
        if link is not None:
            return link
        try:
            async with asyncio.timeout(WAIT_FOR_LINK_S):
                while (link := self._least_loaded()) is None:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            raise HopLost("no router takes calls") from error
        return link

    def _least_loaded(self) -> Link | None:
        links = [slot.link for slot in self._slots if slot.link is not None and slot.link.takes_streams]
        return min(links, key=lambda link: len(link.streams), default=None)


class _Slot:
    """Keeps one connection to one router alive: connects, renews, reconnects."""

    def __init__(self, url: str, tls: ssl.SSLContext, changed: asyncio.Event) -> None:
        address = urllib.parse.urlsplit(url)
        if address.scheme != "https" or not address.hostname or not address.port:
            raise ValueError(f"{url!r} is not https://host:port")
        self.link: Link | None = None
        self._host, self._port = address.hostname, address.port
        self._tls = tls
        self._changed = changed
        self._ended = asyncio.Event()
        self._open: set[Link] = set()

    async def keep(self) -> None:
        try:
            backoff_s = BACKOFF_S[0]
            while True:
                since_s = time.monotonic()
                if await self._connect():
                    await self._until_renewal()
                    if time.monotonic() - since_s > SETTLED_S:
                        backoff_s = BACKOFF_S[0]
                        continue
                await asyncio.sleep(random.uniform(0, backoff_s))  # noqa: S311 - jitter, not a secret
                backoff_s = min(backoff_s * 2, BACKOFF_S[1])
        finally:
            for link in self._open:
                link.transport.abort()

    async def _connect(self) -> bool:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, link = await loop.create_connection(
                    lambda: Link(on_change=self._on_change), self._host, self._port, ssl=self._tls
                )
        except (OSError, TimeoutError) as error:
            canonical_log.warning(
                "router not reached", router=f"{self._host}:{self._port}", error_class=type(error).__name__
            )
            return False
        self._open.add(link)
        old, self.link = self.link, link
        if old is not None:
            old.drain()
        self._changed.set()
        return True

    async def _until_renewal(self) -> None:
        """Returns when the link takes no more calls, or is old; an old one goes on until its successor is there."""
        assert self.link is not None
        renew_at_s = time.monotonic() + RENEW_AFTER_S * random.uniform(0.8, 1.0)  # noqa: S311
        while self.link.takes_streams or self._is_only_crowded(self.link):
            self._ended.clear()
            try:
                async with asyncio.timeout(renew_at_s - time.monotonic()):
                    await self._ended.wait()
            except TimeoutError:
                return

    @staticmethod
    def _is_only_crowded(link: Link) -> bool:
        return not link.closed.is_set() and not link.peer_drains

    def _on_change(self, link: Link) -> None:
        if link.closed.is_set():
            self._open.discard(link)
        if link is self.link and not self._is_only_crowded(link):
            self._ended.set()
        self._changed.set()
