"""A name that means another address at every look-up, by a DNS server of the test's own (`dns_server`).

127.0.0.2 and 127.0.0.3 stand for public addresses here; what must never be reached is 127.0.0.1, at the same port.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from gateway_router.egress import EgressGuard
from gateway_router.public_address import Address
from gateway_router.transports.transport import UpstreamNotReached
from tests.integration.router.dns_server import DnsServer, dns_server
from tests.integration.router.http1_server import Server, listening
from tests.integration.router.provider_clients import ANSWER, EVERY_CLIENT, ProviderClient

PROVIDER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"


class Net:
    """A provider at 127.0.0.2, and what must not be reached at 127.0.0.1."""

    def __init__(self, dns: DnsServer, port: int, provider: Server, target: Server) -> None:
        self.dns, self.port, self.provider, self.target = dns, port, provider, target


@pytest.fixture
async def net(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Net]:
    def stands_for_public(address: Address) -> bool:
        return str(address) in ("127.0.0.2", "127.0.0.3")

    monkeypatch.setattr("gateway_router.egress.is_public", stands_for_public)
    provider, target = Server(PROVIDER % (len(ANSWER), ANSWER), hangs_up=True), Server()
    async with AsyncExitStack() as stack:
        dns = await stack.enter_async_context(dns_server())
        port = await stack.enter_async_context(listening(provider.serve, host="127.0.0.2"))
        await stack.enter_async_context(listening(target.serve, host="127.0.0.1", port=port))
        yield Net(dns, port, provider, target)


async def reached(client: ProviderClient, net: Net, *, calls: int) -> list[bool]:
    """Of each call to the name, whether its provider answered."""
    transport = client.transport(EgressGuard(()))
    outcomes: list[bool] = []
    async with asyncio.timeout(20):
        for _ in range(calls):
            request = client.request(f"http://provider.test:{net.port}")
            try:
                async with transport.open(request, client.provider) as response:
                    outcomes.append(response.status == 200 and bool(await response.read(10_000)))
            except UpstreamNotReached:
                outcomes.append(False)
        await transport.close()
    return outcomes


@EVERY_CLIENT
async def test_a_name_that_comes_to_mean_this_machine_is_refused_at_its_next_connection(
    client: ProviderClient, net: Net
) -> None:
    net.dns.answers["provider.test"] = [["127.0.0.2"], ["127.0.0.1"]]
    outcomes = await reached(client, net, calls=3)
    assert net.provider.connections == 1
    assert net.target.connections == 0
    assert outcomes[1:] == [False, False]
    assert net.dns.asked.count("provider.test") == 6, "one look-up, of A and AAAA, for each connection"


@EVERY_CLIENT
@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["::127.0.0.1"],
        ["127.0.0.3", "127.0.0.1"],
        ["127.0.0.1", "127.0.0.3"],
        ["127.0.0.3", "::ffff:127.0.0.1", "::1", "127.0.0.1"],
    ],
    ids=" ".join,
)
async def test_of_the_addresses_that_a_name_has_only_public_ones_are_dialled(
    client: ProviderClient, net: Net, addresses: list[str]
) -> None:
    net.dns.answers["provider.test"] = [addresses]
    assert await reached(client, net, calls=1) == [False]
    assert net.target.connections == 0
    assert "provider.test" in net.dns.asked


async def test_the_target_would_be_reached_by_that_name(net: Net) -> None:
    """What the others rest on."""
    net.dns.answers["provider.test"] = [["127.0.0.1"]]
    infos = await asyncio.get_running_loop().getaddrinfo("provider.test", net.port, type=socket.SOCK_STREAM)
    assert [info[4] for info in infos] == [("127.0.0.1", net.port)]
