"""An aiohttp session that reaches providers through the guard, and nothing else.

It follows no redirect, keeps no cookie, asks for no compression and knows no proxy.
"""

import socket
from collections.abc import Mapping
from contextvars import ContextVar

import aiohttp
from aiohappyeyeballs import AddrInfoType
from yarl import URL

from gateway_router.egress import EgressGuard, SocketFactory
from gateway_router.transports.transport import UpstreamCut, UpstreamNotReached

_KEEPALIVE_S = 60.0


class GuardedSession:
    """`traces` are told `context` of the request that they see."""

    def __init__(
        self, guard: EgressGuard, *, connect_timeout_s: float, traces: tuple[aiohttp.TraceConfig, ...] = ()
    ) -> None:
        self._guard = guard
        self._connect_timeout_s = connect_timeout_s
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=_KEEPALIVE_S, use_dns_cache=False, socket_factory=_guarded_socket
            ),
            headers={"Accept-Encoding": "identity", "User-Agent": "agent-gateway"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            read_bufsize=256 * 1024,
            trace_configs=list(traces),
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes,
        connect_timeout_s: float | None = None,
        context: object = None,
    ) -> aiohttp.ClientResponse:
        """The answer's head. Raises UpstreamNotReached, UpstreamCut."""
        # all but the connection is limited by the call's own deadline
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s or self._connect_timeout_s)
        address, host, port = _address(url)
        judged = _factory.set(self._guard.socket_factory(host, port))
        try:
            return await self._session.request(
                method,
                address,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=timeout,
                trace_request_ctx=context,
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, ValueError) as error:
            # ValueErrors are about the URL and the headers, before anything is dialled
            raise UpstreamNotReached(type(error).__name__) from error
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamCut(type(error).__name__) from error
        finally:
            _factory.reset(judged)

    async def close(self) -> None:
        await self._session.close()


def _address(url: str) -> tuple[URL, str, int]:
    """With the host and the port that are dialled. Raises UpstreamNotReached."""
    try:
        address = URL(url, encoded=True)
        return address, address.raw_host or "", address.port or 0
    except ValueError as error:
        raise UpstreamNotReached("the provider's address is no URL") from error


_factory: ContextVar[SocketFactory] = ContextVar("_factory")
"""Of the request that dials: the connector's own hook knows the address only, and not for whom it is."""


def _guarded_socket(info: AddrInfoType) -> socket.socket:
    return _factory.get()(info)
