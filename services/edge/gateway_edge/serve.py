"""One worker of the edge: the public port and a graceful end."""

import asyncio
import ssl
from functools import partial
from pathlib import Path

import uvloop
from aiohttp import web

from gateway_edge import metrics
from gateway_edge.app import edge_app
from gateway_edge.connection import PublicConnection
from gateway_edge.key_states import KeyStates
from gateway_edge.limit_table import LimitTable
from gateway_edge.resources import DRAIN, OPERATIONS
from gateway_edge.settings import EdgeSettings
from gateway_shared import canonical_log
from gateway_shared.listener import Listener, ListeningSocket
from gateway_shared.multiprocess_metrics import compute
from gateway_shared.tls import certificate_expiry, public_server_context
from gateway_shared.workers import Worker

GOODBYE_S = 5.0


class Edge:
    """One edge: `start`, then `drain`, then `stop`. It takes connections from `listener`, or binds its port itself."""

    def __init__(
        self, settings: EdgeSettings, listener: Listener | None = None, states: KeyStates | None = None
    ) -> None:
        self.app = edge_app(settings, KeyStates() if states is None else states)
        self._settings = settings
        self._runner = web.AppRunner(self.app, handler_cancellation=True, shutdown_timeout=GOODBYE_S)
        self._listener = listener

    @property
    def port(self) -> int:
        """The public port, when it was bound here."""
        assert isinstance(self._listener, ListeningSocket)
        return self._listener.port

    async def start(self) -> None:
        await self._runner.setup()
        self._listener = self._listener or ListeningSocket.bound_to(self._settings.host, self._settings.port)
        await self._listener.open(self._connection, tls=_public_tls(self._settings))
        self.app[OPERATIONS].started = True

    async def drain(self) -> None:
        """Is unready, and DRAIN_NOTICE_S later takes nothing new and gives what is in flight DRAIN_S."""
        self.app[OPERATIONS].draining = True
        self.app[DRAIN].begun = True
        # load balancers notice meanwhile, and who has just connected brings a request that would be lost
        await asyncio.sleep(self._settings.drain_notice_s)
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


def work(worker: Worker, settings: EdgeSettings, table: LimitTable | None) -> int:
    """The life of a worker; returns its exit code. `table` is what it shares with its siblings, if it has any."""
    states = KeyStates()
    if table is not None:
        table.join(worker.number)
        states = KeyStates(partial(table.state, worker=worker.number))
    uvloop.run(_serve(settings.of_one_worker(), worker, states))
    return 0


async def _serve(settings: EdgeSettings, worker: Worker, states: KeyStates) -> None:
    """Until the worker is told to stop; told to hurry, it does not wait for what is in flight."""
    edge = Edge(settings, worker.listener, states)
    operations = edge.app[OPERATIONS]
    operations.exposition = worker.metrics.exposition
    _report_certificates(settings)
    async with worker.reporting(operations):
        try:
            await edge.start()
            worker.announce(operations)
            canonical_log.info("serving", host=settings.host, port=settings.port, worker=worker.number)
            await worker.stopping.wait()
            canonical_log.info("draining", drain_s=settings.drain_s, worker=worker.number)
            draining = asyncio.ensure_future(edge.drain())
            hurrying = asyncio.ensure_future(worker.hurrying.wait())
            await asyncio.wait({draining, hurrying}, return_when=asyncio.FIRST_COMPLETED)
            for task in (draining, hurrying):
                task.cancel()
        finally:
            await edge.stop()
    canonical_log.info("stopped", worker=worker.number)


def _public_tls(settings: EdgeSettings) -> ssl.SSLContext | None:
    if settings.public_tls_cert is None or settings.public_tls_key is None:
        return None
    return public_server_context(settings.public_tls_cert, settings.public_tls_key)


def _report_certificates(settings: EdgeSettings) -> None:
    files = {"internal": settings.tls_cert_file}
    if settings.public_tls_cert is not None:
        files["public"] = settings.public_tls_cert
    for name, file in files.items():
        # computed: the files are followed
        compute(metrics.CERTIFICATE_EXPIRY.labels(name), partial(_expiry_s, file))


def _expiry_s(file: Path) -> float:
    return certificate_expiry(file).timestamp()
