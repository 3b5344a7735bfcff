"""A channel of the test's own to a broker under test, with the certificate of a role."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aio_pika.abc import AbstractChannel

from gateway_shared import broker
from tests.servers import RabbitMq


@asynccontextmanager
async def channel_of(server: RabbitMq, role: str) -> AsyncIterator[AbstractChannel]:
    async with await broker.connect(server.url, server.tls_files(role), name="test") as connection:
        yield await connection.channel(on_return_raises=True)
