"""Connections to RabbitMQ over mutual TLS, EXTERNAL authentication: the user is the certificate's CN.

A broker URL is `amqps://host:port/`; it carries neither user nor password.
"""

import aio_pika
from aio_pika.abc import AbstractConnection
from yarl import URL

from gateway_shared.tls import TlsFiles, client_context

HEARTBEAT_S = 10
RENEW_AFTER_S = 12 * 60.0
"""The broker looks at a certificate's expiry in the handshake only (SECURITY: 15 minutes at most)."""

TLS_GOODBYE_S = 1.0
"""A peer that went silent never answers TLS's goodbye; a process that ends would wait 30 s for it."""


async def connect(url: str, files: TlsFiles, *, name: str, timeout_s: float = 10.0) -> AbstractConnection:
    """A plain (not self-healing) connection: the caller's loop reconnects, and so knows that it did."""
    connection = aio_pika.Connection(
        URL(url).update_query(auth="EXTERNAL", heartbeat=HEARTBEAT_S, name=name), ssl_context=client_context(files)
    )
    connection.kwargs["ssl_shutdown_timeout"] = TLS_GOODBYE_S
    try:
        await connection.connect(timeout=timeout_s)
    except BaseException:
        await connection.close()  # there is nothing to close yet, but the collector would make a task of it
        raise
    return connection
