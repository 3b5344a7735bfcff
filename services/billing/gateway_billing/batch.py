"""Collecting deliveries into a batch: by number of messages, number of events, or time, whichever is first."""

import asyncio
from dataclasses import dataclass, field

from gateway_billing.message import MessageContent, read_message
from gateway_billing.subscription import Delivery, Subscription

MAX_MESSAGES = 200
MAX_EVENTS = 2000
MAX_WAIT_S = 0.05


@dataclass(slots=True)
class Batch:
    messages: list[Delivery] = field(default_factory=list)
    content: MessageContent = field(default_factory=MessageContent)

    @property
    def is_full(self) -> bool:
        return len(self.messages) >= MAX_MESSAGES or len(self.content.events) >= MAX_EVENTS

    def add(self, message: Delivery) -> None:
        self.content.add(read_message(message.body))
        self.messages.append(message)


async def next_batch(subscription: Subscription) -> Batch:
    """Waits for a first message, then at most MAX_WAIT_S for more. Raises SubscriptionEnded."""
    batch = Batch()
    batch.add(await subscription.next_message())
    try:
        async with asyncio.timeout(MAX_WAIT_S):
            while not batch.is_full:
                batch.add(await subscription.next_message())
    except TimeoutError:
        return batch
    return batch
