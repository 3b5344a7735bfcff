"""Where a server's connections come from: a port of its own, an inherited socket, or another process that accepts."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Protocol

TLS_HANDSHAKE_S = 10.0
BACKLOG = 1024

Factory = Callable[[], asyncio.Protocol]


class Listener(Protocol):
    """`open`, then connections come; after `close` none does, and those that came go on."""

    async def open(self, factory: Factory, *, tls: ssl.SSLContext | None) -> None: ...

    def close(self) -> None: ...


class ListeningSocket:
    """Accepts on a socket that is bound; `port` is its port."""

    def __init__(self, listening: socket.socket) -> None:
        self.port = int(listening.getsockname()[1])
        self._socket = listening
        self._server: asyncio.Server | None = None

    @classmethod
    def bound_to(cls, host: str, port: int) -> "ListeningSocket":
        """Raises OSError."""
        return cls(bound_to(host, port))

    async def open(self, factory: Factory, *, tls: ssl.SSLContext | None) -> None:
        self._server = await asyncio.get_running_loop().create_server(
            factory,
            sock=self._socket,
            ssl=tls,
            ssl_handshake_timeout=TLS_HANDSHAKE_S if tls else None,
            backlog=BACKLOG,
        )

    def close(self) -> None:
        if self._server is not None:
            self._server.close()


def bound_to(host: str, port: int) -> socket.socket:
    """A socket that has its port and does not listen yet. Raises OSError, with the address in it."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise OSError(error.errno, f"{error.strerror} (port {port} of {host})") from error
    return bound


class HandedConnections:
    """Connections that were accepted elsewhere; each one handed over is `take`n. The TLS handshake is ours."""

    def __init__(self) -> None:
        self.taken = 0
        self._factory: Factory | None = None
        self._tls: ssl.SSLContext | None = None
        self._transports: set[asyncio.BaseTransport] = set()
        self._arriving: set[asyncio.Task[None]] = set()

    async def open(self, factory: Factory, *, tls: ssl.SSLContext | None) -> None:
        self._factory, self._tls = factory, tls

    def close(self) -> None:
        self._factory = None

    def open_connections(self) -> int:
        """How many of those taken are open. Costs a look at each: for about once a second."""
        self._transports = {transport for transport in self._transports if not transport.is_closing()}
        return len(self._transports) + len(self._arriving)

    def take(self, connection: socket.socket) -> None:
        """A connection that comes before `open` or after `close` is closed."""
        self.taken += 1
        if self._factory is None:
            connection.close()
            return
        task = asyncio.get_running_loop().create_task(self._welcome(connection, self._factory))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    async def _welcome(self, connection: socket.socket, factory: Factory) -> None:
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                factory, connection, ssl=self._tls, ssl_handshake_timeout=TLS_HANDSHAKE_S if self._tls else None
            )
        except OSError:  # the peer left, or the handshake failed: its own affair, as it is on a listening socket
            connection.close()
        else:
            self._transports.add(transport)
