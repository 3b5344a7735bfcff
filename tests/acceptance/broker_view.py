"""The broker's own word on billing's queue: who consumes it, what it holds, how often that went back."""

import asyncio
from typing import Any

from aio_pika.abc import AbstractIncomingMessage

from gateway_shared import broker
from gateway_shared.topology import LEDGER_QUEUE
from tests.servers import RabbitMq

FRONT = 600
"""More than a consumer is given at once (its prefetch)."""


def messages_held(server: RabbitMq) -> int:
    """Those included that a consumer has and has not acknowledged (takes a second or two).

    Asked of the queue itself: what `list_queues` shows of a quorum queue is up to 5 s old.
    """
    told = server.control(
        "eval",
        f'{{ok, Queue}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"{LEDGER_QUEUE}">>)),'
        " {ok, {_, Count}, _} = ra:leader_query(amqqueue:get_pid(Queue), fun rabbit_fifo:query_messages_total/1),"
        " Count.",
    )
    return int(told)


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
    """How often each of the first waiting messages, at most FRONT, was given back before; looking does so once more."""
    return [delivery_count(message) for message in await waiting_messages(server)]


def delivery_count(message: AbstractIncomingMessage) -> int:
    """How often it was given back before."""
    headers: Any = message.headers
    return int(headers.get("x-delivery-count", 0))


async def waiting_messages(server: RabbitMq) -> list[AbstractIncomingMessage]:
    """The first, at most FRONT, which are given back once more by it; those that were before stand in front."""
    connection = await broker.connect(server.url, server.tls_files("billing"), name="test")
    async with connection, asyncio.timeout(10):
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=FRONT)
        queue = await channel.declare_queue(LEDGER_QUEUE, passive=True)
        waiting = min(FRONT, queue.declaration_result.message_count or 0)
        messages: list[AbstractIncomingMessage] = []
        all_here = asyncio.Event()

        async def look(message: AbstractIncomingMessage) -> None:
            messages.append(message)
            if len(messages) >= waiting:
                all_here.set()

        await queue.consume(look)
        await all_here.wait()
    return messages
