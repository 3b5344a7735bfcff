"""Where the router connects to: whatever a name means at that moment, on both provider clients."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from gateway_router.dialects.dialect import UpstreamRequest
from gateway_router.egress import EgressGuard
from gateway_router.transports.http import HttpTransport
from gateway_router.transports.http1 import Http1Transport
from gateway_router.transports.transport import UpstreamNotReached
from tests.integration.router.http1_server import PROVIDER, Server, listening

CLIENTS = pytest.mark.parametrize("client", [Http1Transport, HttpTransport])
Client = Callable[..., Http1Transport | HttpTransport]

SPELLINGS = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[0:0:0:0:0:0:0:1]",
    "localhost",
    "localhost.",
    "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
]
"""Of this machine, as URLs may write them; some clients and resolvers refuse one or the other by themselves."""


@CLIENTS
@pytest.mark.parametrize("host", SPELLINGS)
async def test_an_address_that_is_not_public_is_never_dialled(client: Client, host: str) -> None:
    server = Server()
    async with listening(server.serve) as port:
        transport = client(EgressGuard(()), connect_timeout_s=2)
        request = UpstreamRequest(f"http://{host}:{port}/v1/chat/completions", {}, b"{}")
        with pytest.raises((UpstreamNotReached, ValueError)):
            async with transport.open(request, PROVIDER):
                raise AssertionError("it was reached")
        await transport.close()
    assert server.connections == 0


@CLIENTS
async def test_a_name_that_comes_to_mean_this_machine_is_refused_at_its_next_connection(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server()
    async with listening(server.serve) as port:

        async def rebound(*_: object, **__: object) -> list[tuple[object, ...]]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", rebound)
        transport = client(EgressGuard(()), connect_timeout_s=2)
        request = UpstreamRequest(f"http://provider.example:{port}/v1/chat/completions", {}, b"{}")
        with pytest.raises(UpstreamNotReached):
            async with transport.open(request, PROVIDER):
                raise AssertionError("it was reached")
        await transport.close()
    assert server.connections == 0


@CLIENTS
async def test_what_the_operator_allows_is_reached_by_that_very_name_and_port(client: Client) -> None:
    server = Server()
    async with listening(server.serve) as port:
        for allowed, reached in (
            (f"localhost:{port}", True),
            (f"127.0.0.1:{port}", False),
            (f"localhost:{port + 1}", False),
        ):
            transport = client(EgressGuard((allowed,)), connect_timeout_s=2)
            request = UpstreamRequest(f"http://localhost:{port}/v1/chat/completions", {}, b"{}")
            if reached:
                async with transport.open(request, PROVIDER) as response:
                    assert await response.read(100) == b"{}"
            else:
                with pytest.raises(UpstreamNotReached):
                    async with transport.open(request, PROVIDER):
                        raise AssertionError("it was reached")
            await transport.close()
    assert len(server.requests) == 1
