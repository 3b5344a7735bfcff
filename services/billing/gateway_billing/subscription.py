"""One life of a subscription to the queues: deliveries in batches, until the broker or we end it.

It ends by a basic.cancel (queue deleted), a closed channel (406 after `consumer_timeout`, 404) or a
lost connection; each is a SubscriptionEnded, and whatever was not acknowledged is delivered again.
This is the rim where aio_pika's errors become ours.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager

from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPError, ChannelInvalidStateError, ChannelPreconditionFailed

from gateway_billing import metrics, queues
from gateway_shared import broker, canonical_log
from gateway_shared.tls import TlsFiles

Delivery = AbstractIncomingMessage

PREFETCH_MESSAGES = 500
REQUEST_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 1.0
DECLARE_INTERVAL_S = 5.0
"""How often the topology is declared again, in case a binding or an exchange went without a word."""

HANDED_OVER_WITHIN_S = 0.1
"""The client hands a delivery over in tasks of its own, and tells of a basic.cancel that came behind it at once."""

CANCELLED_BY_BROKER = "cancelled by the broker"
TOO_OLD = "the connection is renewed"

_BROKER_ERRORS = (*CONNECTION_EXCEPTIONS, AMQPError, ChannelInvalidStateError, OSError, TimeoutError)


class SubscriptionEnded(Exception):
    """Nothing more will come; the text says why."""


class SubscriptionRetired(SubscriptionEnded):
    """Nothing more will come, as we wished; what came before is still ours to acknowledge."""


class Subscription:
    """Deliveries in the order they came, and their acknowledgement."""

    def __init__(self) -> None:
        self._arrived: asyncio.Queue[Delivery | None] = asyncio.Queue()
        self._end_reason: str | None = None
        self._acked_through = 0

    @property
    def is_alive(self) -> bool:
        return self._end_reason is None

    @property
    def has_arrived(self) -> bool:
        """Whether `next_message` answers without waiting."""
        return not self._arrived.empty()

    async def next_message(self) -> Delivery:
        """Raises SubscriptionEnded when it has, and nothing is left here that is ours.

        Raises SubscriptionRetired behind the last message that came before we retired.
        """
        message = await self._arrived.get()
        if message is None or not self._keeps_what_came:
            self._arrived.put_nowait(None)
            if self._end_reason is None:
                raise SubscriptionRetired(TOO_OLD)
            raise SubscriptionEnded(self._end_reason)
        return message

    def raise_if_ended(self) -> None:
        """Raises SubscriptionEnded when what is in hand is no longer ours."""
        if not self._keeps_what_came:
            raise SubscriptionEnded(self._end_reason)

    async def acknowledge(self, messages: list[Delivery]) -> None:
        """Acknowledges exactly these, unless their queue is gone. Raises SubscriptionEnded; they come again then."""
        if self._end_reason == CANCELLED_BY_BROKER:
            return
        tags = sorted(message.delivery_tag or 0 for message in messages)
        last = max(messages, key=lambda message: message.delivery_tag or 0)
        is_gapless = tags == list(range(self._acked_through + 1, self._acked_through + 1 + len(tags)))
        try:
            if is_gapless:
                await last.ack(multiple=True)
            else:
                for message in messages:
                    await message.ack()
        except _BROKER_ERRORS as error:
            self.end(type(error).__name__)
            raise SubscriptionEnded(type(error).__name__) from error
        self._acked_through = tags[-1]

    def end(self, reason: str) -> None:
        """The first reason counts; `next_message` raises from now on."""
        if self._end_reason is None:
            self._end_reason = reason
            self._arrived.put_nowait(None)

    def cancelled_by_broker(self) -> None:
        """Nothing more will be delivered; what was, and may be on its way through the client, is still ours."""
        if self._end_reason is None:
            self._end_reason = CANCELLED_BY_BROKER
            asyncio.get_running_loop().call_later(HANDED_OVER_WITHIN_S, self._arrived.put_nowait, None)

    @property
    def _keeps_what_came(self) -> bool:
        """A queue delivers again what was not acknowledged, but not one that was deleted: then nobody else has it."""
        return self._end_reason in (None, CANCELLED_BY_BROKER)

    def retire(self) -> None:
        """No more will be delivered: what has arrived is the last."""
        self._arrived.put_nowait(None)

    async def arrive(self, message: Delivery) -> None:
        self._arrived.put_nowait(message)


@asynccontextmanager
async def connected(url: str, files: TlsFiles) -> AsyncIterator[AbstractConnection]:
    """A connection whose goodbye does not wait for a broker that hangs. Raises SubscriptionEnded without one."""
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            connection = await broker.connect(url, files, name="billing consumer", timeout_s=REQUEST_TIMEOUT_S)
    except _BROKER_ERRORS as error:
        raise SubscriptionEnded(f"no connection: {type(error).__name__}") from error
    try:
        yield connection
    finally:
        await _finish(connection.close())


@asynccontextmanager
async def subscribed(connection: AbstractConnection, *, until_s: float) -> AsyncIterator[Subscription]:
    """Declares the topology and consumes its queues; at the end what is in hand goes back, once.

    From the monotonic second `until_s` on it takes no more: behind the last of what it took it ends as TOO_OLD.
    """
    subscription = Subscription()
    try:
        await _declare(connection)
        channel = await _open_channel(connection)
        await channel.set_qos(prefetch_count=PREFETCH_MESSAGES, timeout=REQUEST_TIMEOUT_S)
        channel.close_callbacks.add(lambda _, error: subscription.end(f"channel closed: {type(error).__name__}"))
        underlay = await channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(lambda _: subscription.cancelled_by_broker())
        consumed = {}
        for name in queues.CONSUMED_QUEUES:
            queue = await channel.get_queue(name, ensure=False)
            consumed[await queue.consume(subscription.arrive, timeout=REQUEST_TIMEOUT_S)] = queue
    except _BROKER_ERRORS as error:
        raise SubscriptionEnded(f"not subscribed: {type(error).__name__}") from error
    tasks = [
        asyncio.create_task(_keep_declared(connection, subscription)),
        asyncio.create_task(_retire(subscription, consumed, until_s)),
    ]
    metrics.QUEUE_CONNECTED.set(1)
    try:
        yield subscription
    finally:
        metrics.QUEUE_CONNECTED.set(0)
        subscription.end("closed by us")
        for task in tasks:
            task.cancel()
        await _finish(channel.close())


async def _retire(subscription: Subscription, consumed: Mapping[str, AbstractQueue], at_s: float) -> None:
    """At that monotonic second; `consumed`: consumer tag -> queue."""
    await asyncio.sleep(max(0.0, at_s - time.monotonic()))
    try:
        for tag, queue in consumed.items():
            await queue.cancel(tag, timeout=REQUEST_TIMEOUT_S)
    except _BROKER_ERRORS as error:
        subscription.end(f"not cancelled: {type(error).__name__}")
        return
    subscription.retire()


async def _open_channel(connection: AbstractConnection) -> AbstractChannel:
    """The client itself would wait as long as the connection's heartbeats come."""
    async with asyncio.timeout(REQUEST_TIMEOUT_S):
        return await connection.channel(publisher_confirms=False)


async def _keep_declared(connection: AbstractConnection, subscription: Subscription) -> None:
    while True:
        await asyncio.sleep(DECLARE_INTERVAL_S)
        try:
            await _declare(connection)
        except _BROKER_ERRORS as error:
            subscription.end(f"topology not declared: {type(error).__name__}")
            return


async def _declare(connection: AbstractConnection) -> None:
    """On a channel of its own, since a refusal closes the channel. Other arguments are told, not fought."""
    channel = await _open_channel(connection)
    try:
        await queues.declare(channel, timeout_s=REQUEST_TIMEOUT_S)
        metrics.TOPOLOGY_MISMATCH.set(0)
    except ChannelPreconditionFailed as error:
        metrics.TOPOLOGY_MISMATCH.set(1)
        canonical_log.warning("queue topology has other arguments than this release", broker_says=str(error))
    finally:
        await _finish(channel.close())


async def _finish(closing: Awaitable[None]) -> None:
    """Waits for a goodbye, but not long."""
    task = asyncio.create_task(_goodbye(closing))
    _, unfinished = await asyncio.wait({task}, timeout=CLOSE_TIMEOUT_S)
    for one in unfinished:
        one.cancel()


async def _goodbye(closing: Awaitable[None]) -> None:
    try:
        await closing
    except _BROKER_ERRORS as error:
        canonical_log.info("broker left without a goodbye", error_class=type(error).__name__)
