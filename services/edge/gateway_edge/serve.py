"""Running the edge: the public port, the operations port, and a graceful end."""

import asyncio
import signal
import ssl

from aiohttp import web

from gateway_edge import metrics
from gateway_edge.app import edge_app
from gateway_edge.connection import PublicConnection
from gateway_edge.resources import DRAIN, OPERATIONS
from gateway_edge.settings import EdgeSettings
from gateway_shared import canonical_log
from gateway_shared.operations import serve_operations
from gateway_shared.tls import certificate_expiry, public_server_context

GOODBYE_S = 5.0
TLS_HANDSHAKE_S = 10.0
BACKLOG = 1024


class Edge:
    """One edge: `start`, then `drain`, then `stop`; `port` is the public port that was bound."""

    def __init__(self, settings: EdgeSettings) -> None:
        self.app = edge_app(settings)
        self._settings = settings
        self._runner = web.AppRunner(self.app, handler_cancellation=True, shutdown_timeout=GOODBYE_S)
        self._listener: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._listener is not None
        return int(self._listener.sockets[0].getsockname()[1])

    async def start(self) -> None:
        await self._runner.setup()
        self._listener = await asyncio.get_running_loop().create_server(
            self._connection,
            self._settings.host,
            self._settings.port,
            ssl=_public_tls(self._settings),
            ssl_handshake_timeout=TLS_HANDSHAKE_S if self._settings.public_tls_cert else None,
            backlog=BACKLOG,
            reuse_address=True,
        )
        self.app[OPERATIONS].started = True

    async def drain(self) -> None:
        """Tells the load balancer, takes nothing new, and gives what is in flight DRAIN_S."""
        self.app[OPERATIONS].draining = True
        self.app[DRAIN].begun = True
        if self._listener is not None:
            self._listener.close()
        for connection in self._connections():
            if not connection.is_busy:
                connection.close()
        await self.app[DRAIN].finish(drain_s=self._settings.drain_s, goodbye_s=GOODBYE_S)

    async def stop(self) -> None:
        """Ends what is left; what was started in part, too."""
        if self._listener is not None:
            self._listener.close()
        await self._runner.cleanup()

    def _connection(self) -> PublicConnection:
        assert self._runner.server is not None
        return PublicConnection(self._runner.server, max_connections=self._settings.max_connections)

    def _connections(self) -> list[PublicConnection]:
        assert self._runner.server is not None
        return [one for one in self._runner.server.connections if isinstance(one, PublicConnection)]


async def serve(settings: EdgeSettings) -> None:
    """Until SIGTERM or SIGINT; a second one does not wait for what is in flight."""
    stopping = _stop_signals()
    edge = Edge(settings)
    _report_certificates(settings)
    async with serve_operations(edge.app[OPERATIONS], settings.ops_host, settings.ops_port):
        try:
            await edge.start()
            canonical_log.info("serving", host=settings.host, port=edge.port)
            await stopping.acquire()
            canonical_log.info("draining", drain_s=settings.drain_s)
            draining = asyncio.ensure_future(edge.drain())
            insisting = asyncio.ensure_future(stopping.acquire())
            await asyncio.wait({draining, insisting}, return_when=asyncio.FIRST_COMPLETED)
            for task in (draining, insisting):
                task.cancel()
        finally:
            await edge.stop()
    canonical_log.info("stopped")


def _stop_signals() -> asyncio.Semaphore:
    """Each signal releases it once."""
    signals = asyncio.Semaphore(0)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, signals.release)
    return signals


def _public_tls(settings: EdgeSettings) -> ssl.SSLContext | None:
    if settings.public_tls_cert is None or settings.public_tls_key is None:
        return None
    return public_server_context(settings.public_tls_cert, settings.public_tls_key)


def _report_certificates(settings: EdgeSettings) -> None:
    files = {"internal": settings.tls_cert_file}
    if settings.public_tls_cert is not None:
        files["public"] = settings.public_tls_cert
    for name, file in files.items():
        metrics.CERTIFICATE_EXPIRY.labels(name).set(certificate_expiry(file).timestamp())
