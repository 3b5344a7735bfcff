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


async def connect(url: str, files: TlsFiles, *, name: str, timeout_s: float = 10.0) -> AbstractConnection:
    """A plain (not self-healing) connection: the caller's loop reconnects, and so knows that it did."""
    return await aio_pika.connect(
        str(URL(url).update_query(auth="EXTERNAL", heartbeat=HEARTBEAT_S, name=name)),
        ssl_context=client_context(files),
        timeout=timeout_s,
    )
