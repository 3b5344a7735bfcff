"""A subscription whose queue is deleted: what came before is the consumer's, and nobody else has it."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from gateway_billing.subscription import CANCELLED_BY_BROKER, Delivery, Subscription, SubscriptionEnded


def delivery(tag: int) -> Delivery:
    return cast("Delivery", SimpleNamespace(delivery_tag=tag))


async def test_what_is_handed_over_after_the_word_of_a_deleted_queue_is_kept() -> None:
    subscription = Subscription()
    await subscription.arrive(delivery(1))
    subscription.cancelled_by_broker()
    await subscription.arrive(delivery(2))
    async with asyncio.timeout(5):
        assert [(await subscription.next_message()).delivery_tag for _ in range(2)] == [1, 2]
        with pytest.raises(SubscriptionEnded, match=CANCELLED_BY_BROKER):
            await subscription.next_message()
    assert not subscription.is_alive


async def test_what_was_not_acknowledged_on_a_closed_channel_comes_again_and_is_dropped_here() -> None:
    subscription = Subscription()
    await subscription.arrive(delivery(1))
    subscription.end("channel closed")
    with pytest.raises(SubscriptionEnded, match="channel closed"):
        await subscription.next_message()
