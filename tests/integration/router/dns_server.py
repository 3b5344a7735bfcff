"""A DNS server under the test's control, and glibc's own resolver pointed at it.

Nothing of the look-up is replaced: the clients ask the loop, the loop asks getaddrinfo(3) in a thread, and glibc asks
this server over UDP, by `_res` (resolver(3)), which each thread has for itself.
"""

import asyncio
import ctypes
import ipaddress
import socket
import struct
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import cast

_TYPES = {1: 4, 28: 6}
"""Of A and AAAA, the version of the addresses."""


class DnsServer(asyncio.DatagramProtocol):
    """`answers` of a name are used up, one at each look-up, the last one again and again; nobody may keep them."""

    def __init__(self) -> None:
        self.answers: dict[str, list[list[str]]] = {}
        self.asked: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        name, end = _name(data)
        kind = int.from_bytes(data[end : end + 2], "big")
        answers = self.answers.get(name, [[]])
        # a look-up asks for A and for AAAA
        found = answers[min(self.asked.count(name) // 2, len(answers) - 1)]
        self.asked.append(name)
        wanted = [ip for ip in map(ipaddress.ip_address, found) if ip.version == _TYPES.get(kind)]
        records = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(ip.packed)) + ip.packed for ip in wanted)
        header = data[:2] + struct.pack("!HHHHH", 0x8580, 1, len(wanted), 0, 0)
        self._transport.sendto(header + data[12 : end + 4] + records, address)


def _name(query: bytes) -> tuple[str, int]:
    """The name that is asked for, and where it ends."""
    labels: list[str] = []
    at = 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels), at + 1


class _SockaddrIn(ctypes.Structure):
    _fields_ = (
        ("family", ctypes.c_ushort),
        ("port", ctypes.c_uint16.__ctype_be__),
        ("address", ctypes.c_ubyte * 4),
        ("zero", ctypes.c_ubyte * 8),
    )


class _ResState(ctypes.Structure):
    """The beginning of glibc's `struct __res_state` (resolv/bits/types/res_state.h)."""

    _fields_ = (
        ("retrans", ctypes.c_int),
        ("retry", ctypes.c_int),
        ("options", ctypes.c_ulong),
        ("nscount", ctypes.c_int),
        ("nsaddr_list", _SockaddrIn * 3),
    )


def _point_this_thread_at(port: int) -> None:
    libc = ctypes.CDLL(None)
    libc.__res_init()
    libc.__res_state.restype = ctypes.POINTER(_ResState)
    state = libc.__res_state().contents
    state.nscount = 1
    state.nsaddr_list[0] = _SockaddrIn(socket.AF_INET, port, (127, 0, 0, 1), (0,) * 8)


@asynccontextmanager
async def dns_server() -> AsyncIterator[DnsServer]:
    """What this loop looks up meanwhile is looked up there."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(DnsServer, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    loop.set_default_executor(ThreadPoolExecutor(2, initializer=_point_this_thread_at, initargs=(port,)))
    try:
        yield server
    finally:
        transport.close()
        await loop.shutdown_default_executor()
