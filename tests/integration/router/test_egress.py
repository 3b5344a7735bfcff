"""Where the router connects to: however an address is written, on every client that calls providers."""

import asyncio
import socket
from collections.abc import AsyncIterator, Container
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from aiohappyeyeballs import AddrInfoType

from gateway_router.egress import EgressGuard, SocketFactory
from gateway_router.transports.transport import UpstreamNotReached
from tests.integration.router.http1_server import Server, listening
from tests.integration.router.provider_clients import ANSWER, EVERY_CLIENT, ProviderClient

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER)

HAS_IPV6 = Path("/proc/net/if_inet6").exists()
SPELLINGS = {
    "literals": ["127.0.0.1:{port}", "127.8.8.8:{port}", "0.0.0.0:{port}", "127.0.0.1.:{port}"],
    "short": ["127.1:{port}", "127.0.1:{port}", "0:{port}"],
    "one number": ["2130706433:{port}", "0x7f000001:{port}", "017700000001:{port}", "0x0:{port}"],
    "other bases": [
        *("0177.0.0.1:{port}", "0x7f.0.0.1:{port}", "0X7F.1:{port}", "127.0x0.0.1:{port}", "127.0.0.0x1:{port}"),
        *("00000177.0.0.1:{port}", "0x7f.0.01:{port}"),
    ],
    "IPv6": [
        *("[::1]:{port}", "[::]:{port}", "[0:0:0:0:0:0:0:1]:{port}", "[0000::0001]:{port}", "[::0.0.0.1]:{port}"),
        *("[::1%lo]:{port}", "[::1%25lo]:{port}", "[::1%251]:{port}"),
    ],
    "IPv4 in IPv6": [
        *("[::ffff:127.0.0.1]:{port}", "[::ffff:7f00:1]:{port}", "[0:0:0:0:0:ffff:127.0.0.1]:{port}"),
        *("[::127.0.0.1]:{port}", "[::ffff:0:127.0.0.1]:{port}"),
        "[::ffff:0.0.0.0]:{port}",
    ],
    "IPv4 in IPv6, for other machines to unpack": ["[64:ff9b::127.0.0.1]:{port}", "[2002:7f00:1::]:{port}"],
    "names": ["localhost:{port}", "LOCALHOST:{port}", "LocalHost.:{port}", "{hostname}:{port}"],
    "other characters": [
        *("\uff11\uff12\uff17.\uff10.\uff10.\uff11:{port}", "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460:{port}"),
        *("127\u30020\u30020\u30021:{port}", "127\uff0e0\uff0e0\uff0e1:{port}", "127\uff610\uff610\uff611:{port}"),
        *("\U0001d7cf\U0001d7d0\U0001d7d5.\U0001d7ce.\U0001d7ce.\U0001d7cf:{port}", "\uff4c\uff4fcalhost:{port}"),
        *("\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3:{port}", "local\u00adhost:{port}"),
    ],
    "encoded": [
        *("127.0.0.%31:{port}", "%31%32%37.0.0.1:{port}", "loc%61lhost:{port}", "127%2e0%2e0%2e1:{port}"),
        *("127.0.0.1%00.provider.test:{port}", "127.0.0.1%23.provider.test:{port}", "127.0.0.1%0d%0a:{port}"),
    ],
    "userinfo": [
        *("provider.test@127.0.0.1:{port}", "provider.test:443@127.0.0.1:{port}", "user:pw@localhost:{port}"),
        *("@127.0.0.1:{port}", "provider.test%40127.0.0.1:{port}", "127.0.0.1:{port}#@provider.test"),
        *("127.0.0.1:{port}?@provider.test", "127.0.0.1:{port}\\@provider.test", "a@b@127.0.0.1:{port}"),
    ],
    "ports": [
        *("127.0.0.1:0{port}", "127.0.0.1:{port_and_65536}", "127.0.0.1:+{port}", "127.0.0.1:{port}:{port}"),
        *("127.0.0.1:{port_full_width}", "127.0.0.1: {port}", "127.0.0.1:0", "127.0.0.1:-1"),
    ],
}
"""Of this machine, as the part between `http://` and the path. Some clients and resolvers refuse one by themselves."""


class _Everything(Container[str]):
    def __contains__(self, _: object) -> bool:
        return True


def urls(port: int) -> list[str]:
    filled = {
        "port": port,
        "hostname": socket.gethostname(),
        "port_and_65536": port + 65536,
        "port_full_width": "".join(chr(0xFF10 + int(digit)) for digit in str(port)),
    }
    return [f"http://{spelling.format(**filled)}" for group in SPELLINGS.values() for spelling in group]


@asynccontextmanager
async def this_machine() -> AsyncIterator[tuple[Server, int]]:
    """What must not be reached, at each address of this machine."""
    server = Server(PLAIN)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(listening(server.serve, host="0.0.0.0"))
        if HAS_IPV6:
            await stack.enter_async_context(listening(server.serve, host="::1", port=port))
        yield server, port


async def reached_of(client: ProviderClient, guard: EgressGuard, urls: list[str]) -> list[str]:
    """Those where a provider answers; at the others UpstreamNotReached is raised, and nothing else."""
    transport = client.transport(guard)

    async def ask(url: str) -> bool:
        try:
            async with asyncio.timeout(10), transport.open(client.request(url), client.provider) as response:
                return response.status == 200 and bool(await response.read(10_000))
        except UpstreamNotReached:
            return False

    try:
        answers = await asyncio.gather(*map(ask, urls))
    finally:
        await transport.close()
    return [url for url, has_answered in zip(urls, answers, strict=True) if has_answered]


def test_there_are_more_than_forty_of_them() -> None:
    assert len(set(urls(8080))) > 40


@EVERY_CLIENT
async def test_an_address_that_is_not_public_is_never_dialled(client: ProviderClient) -> None:
    async with this_machine() as (server, port):
        assert await reached_of(client, EgressGuard(()), urls(port)) == []
    assert server.connections == 0


@EVERY_CLIENT
async def test_many_of_them_would_be_reached_without_the_guard(client: ProviderClient) -> None:
    """Otherwise the list would show nothing."""
    async with this_machine() as (server, port):
        here = [url for url in urls(port) if "64:ff9b" not in url and "2002:" not in url]
        reached = await reached_of(client, EgressGuard(_Everything()), here)
    print(f"{client.name}: {len(reached)} of {len(here)}")
    assert len(reached) > 20
    assert server.connections >= len(reached)


@EVERY_CLIENT
async def test_what_the_operator_allows_is_reached_by_that_very_name_and_port(client: ProviderClient) -> None:
    async with this_machine() as (server, port):
        url = f"http://localhost:{port}"
        assert await reached_of(client, EgressGuard((f"localhost:{port}",)), [url])
        assert not await reached_of(client, EgressGuard((f"127.0.0.1:{port}",)), [url])
        assert not await reached_of(client, EgressGuard((f"localhost:{port + 1}",)), [url])
    assert len(server.requests) == 1


class _Counting(EgressGuard):
    """Counts the addresses that it was asked about."""

    def __init__(self, allowed_hosts: Container[str]) -> None:
        super().__init__(allowed_hosts)
        self.judged = 0

    def socket_factory(self, host: str, port: int) -> SocketFactory:
        make = super().socket_factory(host, port)

        def counted(info: AddrInfoType) -> socket.socket:
            self.judged += 1
            return make(info)

        return counted


@EVERY_CLIENT
async def test_no_connection_is_made_past_the_guard(client: ProviderClient) -> None:
    """Fails when an upgrade (of aiohttp, of LiteLLM) makes its sockets without asking."""
    async with this_machine() as (server, port):
        guard = _Counting((f"127.0.0.1:{port}",))
        assert await reached_of(client, guard, [f"http://127.0.0.1:{port}"])
    assert (server.connections, guard.judged) == (1, 1)
