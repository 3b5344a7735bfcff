"""The queue topology, which billing owns: what is declared, with every argument explicit (RELIABILITY: mechanism 8).

The same on RabbitMQ 3.10 and 4.x, whose defaults differ. Declaring is idempotent; an argument cannot
be changed on a queue that exists, so a change needs a new queue name.
"""

from typing import Any

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel

from gateway_shared.topology import (
    DEAD_LETTER_EXCHANGE,
    DEAD_LETTER_QUEUE,
    LEDGER_QUEUE,
    USAGE_EXCHANGE,
    USAGE_ROUTING_KEY,
)

CONSUMED_QUEUES = (LEDGER_QUEUE, DEAD_LETTER_QUEUE)

MAX_QUEUE_BYTES = 2 * 1024**3
"""Some two million events. When it is full a publish is refused, and the router's journal holds the event."""

LEDGER_QUEUE_ARGUMENTS: dict[str, Any] = {
    "x-queue-type": "quorum",
    "x-delivery-limit": 1000,  # each death of a consumer counts against every prefetched message
    "x-max-length-bytes": MAX_QUEUE_BYTES,
    "x-overflow": "reject-publish",  # the default would delete the oldest billing events
    "x-dead-letter-exchange": DEAD_LETTER_EXCHANGE,
    "x-dead-letter-strategy": "at-least-once",  # the default may lose a message on its way
}
DEAD_LETTER_QUEUE_ARGUMENTS: dict[str, Any] = {
    "x-queue-type": "quorum",
    "x-delivery-limit": 1_000_000_000,  # beyond the limit a message would be dropped here: there is no next queue
    "x-max-length-bytes": MAX_QUEUE_BYTES,
    "x-overflow": "reject-publish",
}


async def declare(channel: AbstractChannel, *, timeout_s: float) -> None:
    """Raises aio_pika's ChannelPreconditionFailed when the broker has a name with other arguments."""
    dead_letters = await channel.declare_exchange(
        DEAD_LETTER_EXCHANGE, ExchangeType.FANOUT, durable=True, timeout=timeout_s
    )
    dead_letter_queue = await channel.declare_queue(
        DEAD_LETTER_QUEUE, durable=True, arguments=DEAD_LETTER_QUEUE_ARGUMENTS, timeout=timeout_s
    )
    await dead_letter_queue.bind(dead_letters, timeout=timeout_s)
    usage_events = await channel.declare_exchange(USAGE_EXCHANGE, ExchangeType.DIRECT, durable=True, timeout=timeout_s)
    ledger_queue = await channel.declare_queue(
        LEDGER_QUEUE, durable=True, arguments=LEDGER_QUEUE_ARGUMENTS, timeout=timeout_s
    )
    await ledger_queue.bind(usage_events, USAGE_ROUTING_KEY, timeout=timeout_s)
