"""Collecting deliveries into a batch: by number of messages, number of events, or time, whichever is first."""

import asyncio
from dataclasses import dataclass, field

from gateway_billing.message import MessageContent, read_message
from gateway_billing.received_event import ReceivedEvent
from gateway_billing.subscription import Delivery, Subscription, SubscriptionEnded

MAX_MESSAGES = 200
MAX_EVENTS = 2000
MAX_WAIT_S = 0.05


@dataclass(slots=True)
class Batch:
    messages: list[Delivery] = field(default_factory=list)
    content: MessageContent = field(default_factory=MessageContent)
    first_events: list[ReceivedEvent] = field(default_factory=list)
    """The first of each message that has any."""

    @property
    def is_full(self) -> bool:
        return len(self.messages) >= MAX_MESSAGES or len(self.content.events) >= MAX_EVENTS

    def add(self, message: Delivery) -> None:
        content = read_message(message.body)
        self.messages.append(message)
        self.content.add(content)
        self.first_events += content.events[:1]


async def next_batch(subscription: Subscription) -> Batch:
    """Waits for a first message, then at most MAX_WAIT_S for more; takes what has arrived. Raises SubscriptionEnded."""
    batch = Batch()
    batch.add(await subscription.next_message())
    deadline_s = asyncio.get_running_loop().time() + MAX_WAIT_S
    while not batch.is_full:
        # between two messages the batch before this one gets its answer from Postgres
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout_at(None if subscription.has_arrived else deadline_s):
                message = await subscription.next_message()
        except (TimeoutError, SubscriptionEnded):
            break
        batch.add(message)
    return batch
