"""The edge's end of the hop: a few long-lived connections to each router, and the choice among them."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType

import orjson

from gateway_shared.errors import BadRequest
from gateway_shared.hop import OWN_ERROR, HopLost
from gateway_shared.hop_frames import FrameInvalid
from gateway_shared.hop_link import Link
from gateway_shared.hop_router import Router
from gateway_shared.hop_stream import Stream

CONNECTIONS_PER_ROUTER = 2
"""A lost packet stalls all streams of its connection: so more than one."""
WAIT_FOR_LINK_S = 2.0
"""How long a request waits for a router to come back before it fails."""
_WORTH_A_WRITE = 8

_Choice = tuple[Router, Link]


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
    reached, or drains, gets no new call; its connections are tried again with full jitter. One that
    refuses, or fails again and again, gets none for a while either, as long as another is there (`hop_ejection`).
    """

    def __init__(self, urls: str, tls: ssl.SSLContext, *, connections: int = CONNECTIONS_PER_ROUTER) -> None:
        self._changed = asyncio.Event()
        names = [url.strip() for url in urls.split(",")]
        is_only = len(names) == 1
        self._routers = [Router(name, tls, self._changed, connections, is_only=is_only) for name in names]
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
        return HopRequest(self._choice, operation, head, body)

    @property
    def is_connected(self) -> bool:
        """Whether some router would take a call now."""
        return _least_loaded(self._routers) is not None

    @property
    def ejected(self) -> int:
        """How many routers are asked for some operation only where no other can be."""
        return sum(router.is_ejected for router in self._routers)

    async def _choice(self, operation: str) -> _Choice:
        choice = self._least_loaded(operation)
        if choice is not None:
            return choice
        try:
            async with asyncio.timeout(WAIT_FOR_LINK_S):
                while (choice := self._least_loaded(operation)) is None:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            raise HopLost("no router takes calls") from error
        return choice

    def _least_loaded(self, operation: str) -> _Choice | None:
        """The router with the fewest calls of ours, and of its connections the one with the fewest streams."""
        if len(self._routers) == 1:
            return _least_loaded(self._routers)
        now_s = time.monotonic()
        well = [router for router in self._routers if router.ejections[operation].admits(now_s=now_s)]
        best = _least_loaded(well) or _least_loaded(self._routers)  # a bad one is better than none
        if best is not None:
            self._routers.remove(best[0])  # among equals it is another one's turn next
            self._routers.append(best[0])
        return best


def _least_loaded(routers: list[Router]) -> _Choice | None:
    """One that is silent only where no other is: it may be dead, and calls would wait there until that is certain."""
    best: _Choice | None = None
    for router in routers:
        links = [slot.link for slot in router.slots if slot.link is not None and slot.link.takes_streams]
        if not links:
            continue
        link = min(links, key=_load)
        if best is None or (link.is_silent, router.calls) < (best[1].is_silent, best[0].calls):
            best = router, link
    return best


def _load(link: Link) -> tuple[bool, int]:
    """Its streams; one that writes in this loop tick anyway is taken first, since each write costs a system call."""
    return link.is_silent, len(link.streams) - (_WORTH_A_WRITE if link.has_output else 0)


class HopRequest:
    """See HopClient.request."""

    __slots__ = ("_body", "_choose", "_head", "_is_trial", "_operation", "_router", "_stream")

    def __init__(self, choose: Callable[[str], Awaitable[_Choice]], operation: str, head: bytes, body: bytes) -> None:
        self._choose, self._operation, self._head, self._body = choose, operation, head, body

    async def __aenter__(self) -> HopResponse:
        self._router, link = await self._choose(self._operation)
        stream = self._stream = link.open()
        self._is_trial = self._router.begin(self._operation)
        try:
            body, self._body = self._body, b""
            await _send(stream, self._operation.encode() + b"\n" + self._head, body)
            del body  # an answer may stream for minutes
            status, headers = orjson.loads(await stream.head())
        except BaseException:
            self._router.ejections[self._operation].given_up(is_trial=self._is_trial)
            self._leave()
            raise
        self._router.heard(self._operation, status, OWN_ERROR in headers, is_trial=self._is_trial)
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
