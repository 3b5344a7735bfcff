"""The router's connection to RabbitMQ: publishes usage messages, and says why one did not arrive.

This is the rim where aio_pika's errors become ours. Defaults of the client that lose messages are
overridden here (RELIABILITY: mechanism 7): persistent, mandatory with returns raised, a timeout.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Literal

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractConnection, AbstractExchange
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, DeliveryError, PublishError

from gateway_shared import broker
from gateway_shared.tls import TlsFiles, certificate_expiry
from gateway_shared.topology import CONTENT_TYPE, USAGE_EXCHANGE, USAGE_ROUTING_KEY

PUBLISH_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 1.0
_SHORTEST_LIFE_S = 1.0

PublishResult = Literal["unroutable", "refused", "timeout", "lost"]


class PublishFailed(Exception):
    """A message may not have arrived; it stays in the journal. `result` is the metric's label."""

    def __init__(self, result: PublishResult) -> None:
        super().__init__(result)
        self.result: PublishResult = result


class BrokerLink:
    """One connection with one channel in confirm mode, to be kept for `lifetime_s`."""

    def __init__(self, connection: AbstractConnection, exchange: AbstractExchange, *, lifetime_s: float) -> None:
        self.lifetime_s = lifetime_s
        self._connection = connection
        self._exchange = exchange

    async def publish(self, body: bytes, *, message_id: str) -> None:
        """Returns when the broker has confirmed the message. Raises PublishFailed."""
        message = Message(body, delivery_mode=DeliveryMode.PERSISTENT, content_type=CONTENT_TYPE, message_id=message_id)
        try:
            await self._exchange.publish(message, USAGE_ROUTING_KEY, mandatory=True, timeout=PUBLISH_TIMEOUT_S)
        except PublishError as error:
            raise PublishFailed("unroutable") from error
        except DeliveryError as error:
            raise PublishFailed("refused") from error
        except TimeoutError as error:
            raise PublishFailed("timeout") from error
        except CONNECTION_EXCEPTIONS as error:
            raise PublishFailed("lost") from error

    async def lost(self) -> None:
        """Returns when the connection has ended."""
        await self._connection.closed()


@asynccontextmanager
async def open_link(url: str, files: TlsFiles) -> AsyncIterator[BrokerLink]:
    """Raises PublishFailed when there is no broker, or our exchange is not declared there yet."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            connection = await broker.connect(url, files, name="router publisher", timeout_s=CONNECT_TIMEOUT_S)
    except CONNECTION_EXCEPTIONS as error:
        raise PublishFailed("lost") from error
    try:
        yield await _open(connection, lifetime_s=_lifetime_s(files))
    finally:
        await _close(connection)


def _lifetime_s(files: TlsFiles) -> float:
    """Well before our certificate ends, too."""
    try:
        left_s = (certificate_expiry(files.cert_file) - datetime.now(UTC)).total_seconds()
    except (OSError, ValueError):
        return _SHORTEST_LIFE_S  # the file is being replaced this moment
    return max(_SHORTEST_LIFE_S, min(broker.RENEW_AFTER_S, left_s / 2))


async def _open(connection: AbstractConnection, *, lifetime_s: float) -> BrokerLink:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            exchange = await channel.get_exchange(USAGE_EXCHANGE, ensure=True)
            return BrokerLink(connection, exchange, lifetime_s=lifetime_s)
    except CONNECTION_EXCEPTIONS as error:
        raise PublishFailed("lost") from error


async def _close(connection: AbstractConnection) -> None:
    """Says goodbye, but does not wait long for a broker that does not answer."""
    closing = asyncio.ensure_future(connection.close())
    closing.add_done_callback(_seen)
    _, unfinished = await asyncio.wait({closing}, timeout=CLOSE_TIMEOUT_S)
    for task in unfinished:
        task.cancel()


def _seen(closing: "asyncio.Future[None]") -> None:
    """A connection that ends badly has ended; what it carried is still in the journal."""
    if not closing.cancelled():
        closing.exception()
