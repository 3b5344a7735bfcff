"""Providers over HTTP by a small HTTP/1.1 client of our own: plain POSTs, JSON and event streams.

Behind the same interface as the aiohttp one (`http`), which costs three times the CPU and stays for
everything else. No redirects, no decompression, no cookies, no proxies, no pipelining, no retries: a
connection that breaks after the request was on its way is the call's error, since the provider may have
taken it.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import TracebackType
from typing import NamedTuple
from urllib.parse import urlsplit

from gateway_router.configuration import Provider
from gateway_router.dialects.dialect import UpstreamRequest
from gateway_router.egress import EgressGuard
from gateway_router.transports.answer_budget import AnswerBudget
from gateway_router.transports.http1_connection import ConnectionBroken, Http1Connection
from gateway_router.transports.transport import (
    CLOSING_WITHIN_S,
    KeptConnectionClosed,
    ReadInParts,
    UpstreamCut,
    UpstreamNotReached,
)

MAX_IDLE_S = 30.0
"""Shorter than providers keep theirs, so that we rarely send on a connection that is being closed."""
MAX_IDLE_PER_ORIGIN = 256
FINISH_TIMEOUT_S = 0.25

Origin = tuple[str, str, int]


class Http1Transport:
    def __init__(
        self,
        guard: EgressGuard,
        *,
        connect_timeout_s: float,
        budget: AnswerBudget | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._guard = guard
        self.budget = budget or AnswerBudget()
        self._connect_timeout_s = connect_timeout_s
        self._tls = tls or provider_tls()
        self._idle: dict[Origin, list[tuple[Http1Connection, float]]] = {}
        self.now_s: Callable[[], float] = time.monotonic

    def open(self, request: UpstreamRequest, _provider: Provider, /) -> "Http1Exchange":
        return Http1Exchange(self, request)

    async def close(self) -> None:
        for idle in self._idle.values():
            for connection, _ in idle:
                connection.abort()
        self._idle.clear()

    async def connection(self, origin: Origin, connect_timeout_s: float | None) -> Http1Connection:
        """An idle one or a new one, to be given back. Raises UpstreamNotReached."""
        return self._take(origin) or await self._connect(origin, connect_timeout_s or self._connect_timeout_s)

    def drop_idle(self, origin: Origin) -> None:
        """The provider closes what it kept: what is left of it is not used any more."""
        for connection, _ in self._idle.pop(origin, ()):
            connection.abort()

    def _take(self, origin: Origin) -> Http1Connection | None:
        """The connection used last: the others may grow old and go."""
        idle = self._idle.get(origin, [])
        oldest_s = self.now_s() - MAX_IDLE_S
        while idle:
            connection, since_s = idle.pop()
            if connection.is_usable and since_s > oldest_s:
                return connection
            connection.abort()
        return None

    def give_back(self, origin: Origin, connection: Http1Connection) -> None:
        if not connection.release():
            return
        idle = self._idle.setdefault(origin, [])
        idle.append((connection, self.now_s()))
        oldest_s = self.now_s() - MAX_IDLE_S
        while len(idle) > MAX_IDLE_PER_ORIGIN or idle[0][1] <= oldest_s or not idle[0][0].is_usable:
            idle.pop(0)[0].abort()
            if not idle:
                return

    async def _connect(self, origin: Origin, timeout_s: float) -> Http1Connection:
        scheme, host, port = origin
        try:
            async with asyncio.timeout(timeout_s):
                connected = await self._guard.connect(host, port)
                return await self._speak(connected, host if scheme == "https" else None)
        except (OSError, TimeoutError, UnicodeError) as error:
            # a UnicodeError of a host that cannot be looked up at all
            raise UpstreamNotReached(type(error).__name__) from error

    async def _speak(self, connected: socket.socket, tls_host: str | None) -> Http1Connection:
        try:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _, connection = await asyncio.get_running_loop().create_connection(
                Http1Connection, sock=connected, ssl=self._tls if tls_host else None, server_hostname=tls_host
            )
        except BaseException:
            connected.close()
            raise
        return connection


class Http1Exchange:
    """See Transport.open."""

    __slots__ = ("_connection", "_origin", "_request", "_response", "_transport")

    def __init__(self, transport: Http1Transport, request: UpstreamRequest) -> None:
        self._transport, self._request = transport, request

    async def __aenter__(self) -> "Http1Response":
        request = self._request
        address = _address(request.url)
        head = _head(address, request)
        self._origin = address.origin
        connection = self._connection = await self._transport.connection(address.origin, request.connect_timeout_s)
        sent_s = self._transport.now_s()
        try:
            request.is_sent = True
            await connection.post(head, request.body)
            await connection.head()
        except ConnectionBroken as error:
            self._transport.give_back(self._origin, connection)
            if connection.was_kept_in_vain and self._transport.now_s() - sent_s < CLOSING_WITHIN_S:
                self._transport.drop_idle(self._origin)
                raise KeptConnectionClosed(str(error)) from error
            raise UpstreamCut(str(error)) from error
        except BaseException:
            self._transport.give_back(self._origin, connection)
            raise
        response = self._response = Http1Response(connection, self._transport.budget)
        return response

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._response.let_go()
        self._transport.give_back(self._origin, self._connection)


class Http1Response(ReadInParts):
    """See UpstreamResponse."""

    def __init__(self, connection: Http1Connection, budget: AnswerBudget) -> None:
        super().__init__(budget)
        self._connection = connection
        self.status = connection.status
        self.headers: Mapping[str, str] = connection.headers

    async def part(self) -> bytes:
        try:
            return await self._connection.read()
        except ConnectionBroken as error:
            raise UpstreamCut(str(error)) from error

    async def finish(self) -> None:
        try:
            async with asyncio.timeout(FINISH_TIMEOUT_S):
                while await self._connection.read():
                    continue
        except (TimeoutError, ConnectionBroken):
            self._connection.abort()


def provider_tls() -> ssl.SSLContext:
    """The system's authorities, host names checked, TLS 1.2 and up."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


class _Address(NamedTuple):
    origin: Origin
    request_line: str
    host: str


@lru_cache(maxsize=4096)
def _address(url: str) -> _Address:
    """Cached: a router calls few addresses, again and again. Raises UpstreamNotReached."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise UpstreamNotReached("the provider's address is no URL") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or not url.isascii():
        raise UpstreamNotReached("the provider's address is not http(s)://host")
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    if " " in target:
        raise UpstreamNotReached("the path holds a space")
    return _Address((parts.scheme, parts.hostname, port), f"POST {target} HTTP/1.1", parts.netloc)


def _head(address: _Address, request: UpstreamRequest) -> bytes:
    """Raises UpstreamNotReached for what would break out of its line."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    head = (
        f"{address.request_line}\r\nHost: {address.host}\r\nAccept-Encoding: identity\r\n"
        f"User-Agent: agent-gateway\r\n{fields}Content-Length: {len(request.body)}\r\n\r\n"
    )
    lines = 6 + len(request.headers)
    if head.count("\r") != lines or head.count("\n") != lines or "\0" in head:
        raise UpstreamNotReached("a header or the path holds a line break")
    return head.encode("latin-1")
