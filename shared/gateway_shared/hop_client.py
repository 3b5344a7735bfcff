"""The edge's end of the hop."""

import io
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp

from gateway_shared.hop import HopLost, pack_call

CONNECT_TIMEOUT_S = 5.0
LARGE_CALL_BYTES = 256 * 1024
"""Above this a call is written piece by piece, so that the loop serves others in between."""


class HopResponse:
    """Status, header fields (lower case) and the body as it comes."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status: int = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    async def chunks(self) -> AsyncIterator[bytes]:
        """What each read brings. Raises HopLost when the router goes away before the end."""
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise HopLost(type(error).__name__) from error

    async def read(self) -> bytes:
        """The whole body. Raises HopLost."""
        return b"".join([chunk async for chunk in self.chunks()])


class HopClient:
    """Calls one router; connections are kept and pooled. `url` is `https://host:port`."""

    def __init__(self, url: str, tls: ssl.SSLContext) -> None:
        self._url = url.rstrip("/")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls, limit=0, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            auto_decompress=False,
            trust_env=False,
            read_bufsize=256 * 1024,
        )

    @asynccontextmanager
    async def request(self, operation: str, head: bytes, body: bytes = b"") -> AsyncIterator[HopResponse]:
        """Leaving the block before the body's end cancels the call at the router. Raises HopLost."""
        call = pack_call(head, body)
        data = io.BytesIO(call) if len(call) > LARGE_CALL_BYTES else call
        try:
            response = await self._session.post(f"{self._url}/hop/{operation}", data=data, allow_redirects=False)
        except (aiohttp.ClientError, OSError) as error:
            raise HopLost(type(error).__name__) from error
        try:
            yield HopResponse(response)
        finally:
            # a body read to its end has given its connection back; otherwise the connection goes
            response.close()

    async def close(self) -> None:
        await self._session.close()
