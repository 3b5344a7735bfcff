"""Providers over HTTP: one aiohttp session that follows no redirect, keeps no cookie and asks for no compression."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from types import SimpleNamespace

import aiohttp
from aiohappyeyeballs import AddrInfoType
from yarl import URL

from gateway_router.configuration import Provider
from gateway_router.dialects.dialect import UpstreamRequest
from gateway_router.egress import EgressGuard, SocketFactory
from gateway_router.transports.transport import ReadInParts, UpstreamCut, UpstreamNotReached

FINISH_TIMEOUT_S = 0.25
_KEEPALIVE_S = 60.0


class HttpTransport:
    def __init__(self, guard: EgressGuard, *, connect_timeout_s: float) -> None:
        self._guard = guard
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_S, socket_factory=_guarded_socket),
            # all but the connection is limited by the call's own deadline
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s),
            headers={"Accept-Encoding": "identity", "User-Agent": "agent-gateway"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            read_bufsize=256 * 1024,
            trace_configs=[_marking_sent()],
        )

    @asynccontextmanager
    async def open(self, request: UpstreamRequest, _provider: Provider, /) -> AsyncIterator["HttpResponse"]:
        url = URL(request.url, encoded=True)
        _factory.set(self._guard.socket_factory(url.host or "", url.port or 0))
        try:
            response = await self._session.post(
                url, data=request.body, headers=request.headers, allow_redirects=False, trace_request_ctx=request
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise UpstreamNotReached(type(error).__name__) from error
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamCut(type(error).__name__) from error
        try:
            yield HttpResponse(response)
        finally:
            # gives the connection back when the body was read to its end, closes it otherwise
            response.close()

    async def close(self) -> None:
        await self._session.close()


_factory: ContextVar[SocketFactory] = ContextVar("_factory")
"""Of the request that dials: the connector's own hook knows the address only, and not for whom it is."""


def _guarded_socket(info: AddrInfoType) -> socket.socket:
    return _factory.get()(info)


def _marking_sent() -> aiohttp.TraceConfig:
    async def mark(
        _session: aiohttp.ClientSession,
        context: SimpleNamespace,
        _headers: aiohttp.TraceRequestHeadersSentParams,
    ) -> None:
        request: UpstreamRequest = context.trace_request_ctx
        request.is_sent = True

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(mark)
    return trace


class HttpResponse(ReadInParts):
    """See UpstreamResponse."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    async def part(self) -> bytes:
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamCut(type(error).__name__) from error

    async def finish(self) -> None:
        try:
            async with asyncio.timeout(FINISH_TIMEOUT_S):
                while not self._response.content.at_eof() and await self._response.content.readany():
                    continue
        except (TimeoutError, aiohttp.ClientError, OSError):
            self._response.close()
