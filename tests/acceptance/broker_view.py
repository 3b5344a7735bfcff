"""The broker's own word on billing's queue: who consumes it, what it holds, how often that went back."""

import asyncio
import json
from typing import Any

from gateway_shared import broker
from gateway_shared.topology import LEDGER_QUEUE
from tests.servers import RabbitMq


def messages_held(server: RabbitMq) -> int:
    """Those included that a consumer has and has not acknowledged (takes a second or two)."""
    told = server.control("-q", "list_queues", "name", "messages", "--formatter", "json")
    (queue,) = (each for each in json.loads(told) if each["name"] == LEDGER_QUEUE)
    return int(queue["messages"])


async def wait_for_consumers(server: RabbitMq, count: int, *, within_s: float) -> None:
    connection = await broker.connect(server.url, server.tls_files("billing"), name="test")
    async with connection, asyncio.timeout(within_s):
        channel = await connection.channel(publisher_confirms=False)
        while True:
            queue = await channel.declare_queue(LEDGER_QUEUE, passive=True)
            if queue.declaration_result.consumer_count == count:
                return
            await asyncio.sleep(0.05)


def set_consumer_timeout(server: RabbitMq, milliseconds: int) -> None:
    """Of channels that are opened from now on, looked at twice a second."""
    settings = f"consumer_timeout, {milliseconds}", "channel_tick_interval, 500"
    server.control("eval", ", ".join(f"application:set_env(rabbit, {setting})" for setting in settings) + ".")


async def delivery_counts(server: RabbitMq) -> list[int]:
    """How often each waiting message was given back before; looking gives it back once more."""
    connection = await broker.connect(server.url, server.tls_files("billing"), name="test")
    async with connection:
        channel = await connection.channel(publisher_confirms=False)
        queue = await channel.get_queue(LEDGER_QUEUE, ensure=False)
        counts: list[int] = []
        while (message := await queue.get(fail=False)) is not None:
            counts.append(_count(message.headers))
    return counts


def _count(headers: Any) -> int:
    return int(headers.get("x-delivery-count", 0))
