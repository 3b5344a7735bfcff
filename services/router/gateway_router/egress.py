"""The guard of every connection to a provider: addresses are judged as they are dialled (SECURITY: outbound requests).

A base URL is checked when a provider is registered, but a name can come to mean another address afterwards, or at
each look-up. So the socket is made here, for one address, after that address was judged; nothing looks it up again.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Container

from aiohappyeyeballs import AddrInfoType, start_connection

from gateway_router import metrics
from gateway_router.public_address import is_public
from gateway_shared import canonical_log

SECOND_ADDRESS_AFTER_S = 0.25
"""RFC 8305, 5: the next address is tried beside one that does not answer."""

SocketFactory = Callable[[AddrInfoType], socket.socket]


class EgressRefused(OSError):
    """The address is none where a provider may be; the text says why, in words."""


class EgressGuard:
    """`allowed_hosts` holds the operator's exact `host:port`; what it names may be anywhere."""

    def __init__(self, allowed_hosts: Container[str]) -> None:
        self._allowed_hosts = allowed_hosts

    async def connect(self, host: str, port: int) -> socket.socket:
        """A connected socket. Raises OSError, EgressRefused among them."""
        infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return await start_connection(
            infos, happy_eyeballs_delay=SECOND_ADDRESS_AFTER_S, socket_factory=self.socket_factory(host, port)
        )

    def socket_factory(self, host: str, port: int) -> SocketFactory:
        """Makes a socket for an address of that host, or raises EgressRefused."""
        is_allowed = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}") in self._allowed_hosts

        def make(info: AddrInfoType) -> socket.socket:
            family, kind, protocol, _, address = info
            if not is_allowed:
                refuse_unless_public(str(address[0]), host=host, port=port)
            return socket.socket(family, kind, protocol)

        return make


def refuse_unless_public(address: str, *, host: str, port: int) -> None:
    """Raises EgressRefused, and says so in the log, for an address where no provider may be, and for a name."""
    try:
        if is_public(ipaddress.ip_address(address.partition("%")[0])):
            return
    except ValueError as error:
        raise EgressRefused(f"{host} is to be dialled by its name, which cannot be judged") from error
    metrics.EGRESS_REFUSED.inc()
    canonical_log.warning("address refused", host=host, port=port, address=address)
    raise EgressRefused(f"{host} is not at a public address")
