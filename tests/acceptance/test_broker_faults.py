"""The broker is away, blocked or without its queue (RELIABILITY: F1, F2, F4): answers go on, no usage is lost."""

import asyncio
import time

import asyncpg
import pytest
from aio_pika.abc import AbstractChannel

from gateway_router.journal_upkeep import REPAIR_EVERY_S
from gateway_shared.topology import LEDGER_QUEUE, USAGE_EXCHANGE, USAGE_ROUTING_KEY
from tests.acceptance.audit import audit
from tests.acceptance.backlog import published_all, told_that_usage_waits, usage_metric
from tests.acceptance.chaos.run import sent_again
from tests.acceptance.conftest import Audited
from tests.acceptance.ledger import Ledger
from tests.acceptance.owned_stack import OwnedStack
from tests.acceptance.price_list import PriceList
from tests.acceptance.traffic import Traffic, traffic
from tests.broker import channel_of
from tests.servers import wait_until

PUBLISH_TIMEOUT_S = 5.0
DECLARED_AGAIN_WITHIN_S = 3 * 10.0
"""Three times the stated bound."""
GIVEN_WITHIN_S = 60.0
POLL_S = 0.01
ALARMS = {
    "memory": ("set_vm_memory_high_watermark 0.00001", "set_vm_memory_high_watermark 0.4"),
    "disk": ("set_disk_free_limit 1000000000000000", "set_disk_free_limit 50000000"),
}
"""What raises it, and what sets the limit back."""


@pytest.mark.parametrize("away_s", [10.0, pytest.param(600.0, marks=pytest.mark.long)])
async def test_answers_go_on_while_the_broker_is_down(owned: OwnedStack, audited: Audited, away_s: float) -> None:
    async with traffic(owned) as seen:
        await seen.until_answered(10)
        owned.rabbitmq.kill()
        await asyncio.sleep(away_s)
        await told_that_usage_waits(owned)
        owned.rabbitmq.launch()
        await asyncio.to_thread(owned.rabbitmq.wait_until_ready)
    await published_all(owned)
    assert seen.refused == []
    assert (await audited(seen)).is_exact


@pytest.mark.parametrize("alarm", ALARMS)
@pytest.mark.parametrize("blocked_s", [PUBLISH_TIMEOUT_S + 1, pytest.param(60.0, marks=pytest.mark.long)])
async def test_answers_go_on_while_an_alarm_blocks_the_broker(
    owned: OwnedStack, owned_ledger: Ledger, audited: Audited, alarm: str, blocked_s: float
) -> None:
    raise_it, clear_it = ALARMS[alarm]
    async with traffic(owned) as seen:
        await asyncio.to_thread(owned.rabbitmq.control, *raise_it.split())
        try:
            await asyncio.sleep(blocked_s / 2)
            blocked = await owned_ledger.event_count()
            await asyncio.sleep(blocked_s / 2)
            assert await owned_ledger.event_count() == blocked, "the alarm blocks nobody: this shows nothing"
        finally:
            await asyncio.to_thread(owned.rabbitmq.control, *clear_it.split())
    assert seen.refused == []
    assert (await audited(seen)).is_exact


@pytest.mark.parametrize("stopped_s", [PUBLISH_TIMEOUT_S + 4, pytest.param(60.0, marks=pytest.mark.long)])
async def test_answers_go_on_while_the_broker_hangs_and_a_publish_is_given_up_after_five_seconds(
    owned: OwnedStack, audited: Audited, stopped_s: float
) -> None:
    tries_s = owned.proxies.router_to_broker.accepted_s
    async with traffic(owned) as seen:
        await seen.until_answered(10)
        owned.rabbitmq.pause()
        paused_s, tries_before = time.monotonic(), len(tries_s)
        try:
            await asyncio.sleep(stopped_s)
        finally:
            owned.rabbitmq.resume()
    assert len(tries_s) > tries_before, "the router still trusts a connection that hangs"
    print(f"given up and tried again after {tries_s[tries_before] - paused_s:.1f} s")
    assert tries_s[tries_before] - paused_s >= PUBLISH_TIMEOUT_S - 0.5
    assert seen.refused == []
    assert (await audited(seen)).is_exact


@pytest.mark.parametrize("lost", ["queue", "binding", "exchange"])
async def test_a_topology_that_was_deleted_under_load_is_declared_again_and_nothing_is_lost(
    owned: OwnedStack, audited: Audited, lost: str
) -> None:
    async with traffic(owned) as seen:
        await seen.until_answered(10)
        async with channel_of(owned.rabbitmq, "billing") as channel:
            if lost == "queue":
                await channel.queue_delete(LEDGER_QUEUE)
            elif lost == "exchange":
                await channel.exchange_delete(USAGE_EXCHANGE)
            else:
                queue = await channel.get_queue(LEDGER_QUEUE, ensure=False)
                await queue.unbind(USAGE_EXCHANGE, USAGE_ROUTING_KEY)
        deleted_s = time.monotonic()
        await bound_again(owned)
        print(f"declared again after {time.monotonic() - deleted_s:.1f} s")
    await published_all(owned)
    assert seen.refused == []
    assert (await audited(seen)).is_exact


async def test_while_usage_cannot_be_routed_metrics_tell_and_none_is_unaccounted_for(
    owned: OwnedStack, audited: Audited
) -> None:
    async with traffic(owned) as seen:
        await seen.until_answered(10)
        before = usage_metric(owned, "publishes_total", result="unroutable")
        owned.billing.pause()  # else it binds the queue again within seconds
        try:
            async with channel_of(owned.rabbitmq, "billing") as channel:
                queue = await channel.get_queue(LEDGER_QUEUE, ensure=False)
                await queue.unbind(USAGE_EXCHANGE, USAGE_ROUTING_KEY)
            await told_that_usage_waits(owned)
            assert usage_metric(owned, "publishes_total", result="unroutable") > before
            assert usage_metric(owned, "unaccounted_events") == 0
        finally:
            owned.billing.resume()
        await bound_again(owned)
    await published_all(owned)
    assert seen.refused == []
    assert (await audited(seen)).is_exact


async def bound_again(owned: OwnedStack) -> None:
    """Returns when the ledger's queue is bound to the exchange. Raises AssertionError."""
    binding = f"{USAGE_EXCHANGE}\t{LEDGER_QUEUE}"
    await asyncio.to_thread(
        wait_until,
        lambda: binding in owned.rabbitmq.control("list_bindings", "source_name", "destination_name"),
        what="the ledger's queue bound to the exchange",
        timeout_s=DECLARED_AGAIN_WITHIN_S,
    )


async def test_what_the_consumer_has_in_hand_outlives_the_queue_it_came_from(
    owned: OwnedStack, owned_ledger: Ledger, audited: Audited
) -> None:
    """Locked out of the ledger it is given all there is, and then nobody else has it."""
    owned.billing.stop()
    before = await owned_ledger.event_count()
    async with traffic(owned) as seen:
        await seen.until_answered(60)
    await published_all(owned)
    owner = await asyncpg.connect(owned.run["postgres_owner_dsn"], timeout=10)
    async with channel_of(owned.rabbitmq, "billing") as channel, owner.transaction():
        await owner.execute("LOCK TABLE billing.rating IN EXCLUSIVE MODE")
        assert await ready_messages(channel) > 0
        owned.billing.launch()
        async with asyncio.timeout(GIVEN_WITHIN_S):
            while await ready_messages(channel) > 0:  # noqa: ASYNC110 - the broker has no event for it
                await asyncio.sleep(POLL_S)
        await channel.queue_delete(LEDGER_QUEUE)  # long before the consumer tires of the lock
        assert await owned_ledger.event_count() == before
    await owner.close()
    assert seen.refused == []
    assert (await audited(seen)).is_exact
    await asyncio.to_thread(owned.billing.wait_until_ready)


async def ready_messages(channel: AbstractChannel) -> int:
    """Those that no consumer was given."""
    queue = await channel.declare_queue(LEDGER_QUEUE, passive=True)
    return queue.declaration_result.message_count or 0


async def lose_what_waits(owned: OwnedStack, owned_ledger: Ledger) -> Traffic:
    """Usage that the broker has confirmed and that goes with its queue."""
    owned.billing.stop()
    before = await owned_ledger.event_count()
    async with traffic(owned) as seen:
        await seen.until_answered(60)
    await published_all(owned)
    async with channel_of(owned.rabbitmq, "billing") as channel:
        await channel.queue_delete(LEDGER_QUEUE)
    owned.billing.start()
    assert await owned_ledger.event_count() == before, "nobody deleted anything: this shows nothing"
    return seen


async def test_replay_brings_back_what_a_deleted_queue_held(
    owned: OwnedStack, owned_ledger: Ledger, audited: Audited
) -> None:
    seen = await lose_what_waits(owned, owned_ledger)
    print(await asyncio.to_thread(owned.command, "router", "replay"))
    assert (await audited(seen)).is_exact


@pytest.mark.long
async def test_what_a_deleted_queue_held_comes_back_without_an_operator(
    owned: OwnedStack, owned_ledger: Ledger, prices: PriceList
) -> None:
    seen = await lose_what_waits(owned, owned_ledger)
    found = await audit(owned_ledger, owned.simulator_url, seen.outcomes, prices, within_s=12 * REPAIR_EVERY_S)
    assert found.is_exact
    assert sent_again(owned) >= len(seen.outcomes)
