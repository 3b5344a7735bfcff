"""The ledger's queue, as billing sees it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from gateway_billing import queues
from gateway_shared import broker
from gateway_shared.producer_mark import ProducerMark, is_producer_mark
from gateway_shared.topology import LEDGER_QUEUE, USAGE_EXCHANGE, USAGE_ROUTING_KEY
from tests.servers import RabbitMq

TIMEOUT_S = 10.0


class LedgerQueue:
    """`marks` are the producers' marks that came between the events."""

    def __init__(self, server: RabbitMq) -> None:
        self.marks: list[ProducerMark] = []
        self._server = server

    async def declare(self) -> None:
        async with self._channel() as channel:
            await queues.declare(channel, timeout_s=TIMEOUT_S)

    async def delete(self) -> None:
        async with self._channel() as channel:
            await channel.queue_delete(LEDGER_QUEUE)

    async def unbind(self) -> None:
        async with self._channel() as channel:
            queue = await channel.get_queue(LEDGER_QUEUE)
            await queue.unbind(USAGE_EXCHANGE, USAGE_ROUTING_KEY)

    async def purge(self) -> None:
        async with self._channel() as channel:
            await (await channel.get_queue(LEDGER_QUEUE)).purge()

    async def take(self, event_ids: set[str], *, timeout_s: float = 60.0) -> Counter[str]:
        """How often each event came, as soon as all of `event_ids` have; they leave the queue."""
        return Counter(str(event["event_id"]) for event in await self.take_events(event_ids, timeout_s=timeout_s))

    async def take_events(self, event_ids: set[str], *, timeout_s: float = 60.0) -> list[dict[str, object]]:
        """The events in the order of their arrival, up to the message with which all of `event_ids` are there."""
        events: list[dict[str, object]] = []
        missing = set(event_ids)
        try:
            async with asyncio.timeout(timeout_s), self._messages() as messages:
                async for message in messages:
                    lines = [orjson.loads(line) for line in message.body.splitlines() if not self._is_mark(line)]
                    events += lines
                    missing -= {line["event_id"] for line in lines}
                    await message.ack()
                    if not missing:
                        break
        except TimeoutError:
            raise AssertionError(f"{len(missing)} of {len(event_ids)} events did not arrive") from None
        return events

    async def take_closing_mark(self, producer: str) -> ProducerMark:
        """What comes before it leaves the queue too."""
        while True:
            closing = [mark for mark in self.marks if mark.closed and mark.producer == producer]
            if closing:
                return closing[0]
            await self.take_message()

    async def take_message(self) -> list[dict[str, object]]:
        """The events of one more; its marks are in `marks`."""
        async with asyncio.timeout(TIMEOUT_S), self._messages(prefetch=1) as messages:
            message = await anext(messages)
            events = [orjson.loads(line) for line in message.body.splitlines() if not self._is_mark(line)]
            await message.ack()
        return events

    def _is_mark(self, line: bytes) -> bool:
        if not is_producer_mark(line):
            return False
        self.marks.append(ProducerMark.from_json(line))
        return True

    @asynccontextmanager
    async def _messages(self, *, prefetch: int = 100) -> AsyncIterator[AsyncIterator[AbstractIncomingMessage]]:
        async with self._channel() as channel:
            await channel.set_qos(prefetch_count=prefetch)
            async with (await channel.get_queue(LEDGER_QUEUE)).iterator() as messages:
                yield messages

    @asynccontextmanager
    async def _channel(self) -> AsyncIterator[AbstractChannel]:
        files = self._server.tls_files("billing")
        async with await broker.connect(self._server.url, files, name="test ledger") as connection:
            yield await connection.channel()
