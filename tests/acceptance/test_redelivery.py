"""What is delivered again adds no row (RELIABILITY: F7, F11): consumers die unheard, events come five times."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractQueue

from gateway_shared.topology import CONTENT_TYPE, LEDGER_QUEUE, USAGE_EXCHANGE, USAGE_ROUTING_KEY
from tests.acceptance.backlog import published_all
from tests.acceptance.broker_view import delivery_count, messages_held, wait_for_consumers, waiting_messages
from tests.acceptance.conftest import Audited
from tests.acceptance.ledger import Ledger, Row
from tests.acceptance.metrics_text import total
from tests.acceptance.owned_stack import OwnedStack
from tests.acceptance.stack import get_text
from tests.acceptance.traffic import Traffic, traffic
from tests.broker import channel_of
from tests.servers import wait_until

TAP = "usage.tap"
ANSWERS = 200
COMMITTED_WITHIN_S = 20.0
LEFT_WITHIN_S = 20.0
TOTALS = """
    SELECT count(*) AS events, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
           sum(cost_nano_usd) AS cost_nano_usd
    FROM billing.attempts WHERE agent_run_id = ANY($1)
"""


@pytest.mark.parametrize("deaths", [20, pytest.param(200, marks=pytest.mark.long)])
async def test_a_consumer_killed_between_commit_and_acknowledgement_adds_no_row(
    owned: OwnedStack, owned_ledger: Ledger, audited: Audited, deaths: int
) -> None:
    """Mute, it hears events and commits them, and the broker hears nothing of it; the next life gets them again."""
    path, dropped, held = owned.proxies.billing_to_broker, 0.0, list[int]()
    async with traffic(owned) as seen:
        for _ in range(deaths):
            with path.mute():
                await committed_more(owned_ledger)
                owned.billing.kill()
            path.reset()  # the broker hears of the death at once, not at its third heartbeat
            held.append(await held_though_committed(owned, owned_ledger))
            owned.billing.launch()
            await asyncio.to_thread(
                wait_until, lambda: duplicates(owned) > 0, what="what was not acknowledged is delivered again"
            )
            dropped += duplicates(owned)
    print(
        f"{deaths} deaths; behind each the broker held {min(held)} to {max(held)} events that the ledger had; "
        f"the conflict clause dropped {dropped:.0f} rows of what was delivered again"
    )
    assert min(held) > 0, "acknowledged before the death: this shows nothing"
    assert (await audited(seen)).is_exact


async def test_events_delivered_one_to_five_times_in_any_order_give_the_same_totals(
    owned: OwnedStack, owned_ledger: Ledger, audited: Audited
) -> None:
    chance = random.Random(11)
    dropped_before = duplicates(owned)
    async with tapped(owned) as tap:
        async with traffic(owned, per_s=50) as seen:
            await seen.until_answered(ANSWERS)
        assert (await audited(seen)).is_exact
        first = await totals(owned_ledger, seen)
        lines = [line for body in await bodies(tap) for line in body.split(b"\n")]
    again = [line for line in lines for _ in range(chance.randrange(5))]  # once it has come already
    chance.shuffle(again)
    await publish(owned, again, chance)
    await acknowledged_all(owned)
    after = await totals(owned_ledger, seen)
    dropped = duplicates(owned) - dropped_before
    print(f"first  {first}\nafter  {after}\n{len(again)} lines published again, {dropped:.0f} dropped")
    assert dropped >= len(again) - sum(b'"producer_mark"' in line for line in again) > len(lines)
    assert after == first
    assert (await audited(seen)).is_exact


async def test_events_of_which_the_first_delivery_is_out_of_order_too_are_each_one_row(
    owned: OwnedStack, audited: Audited
) -> None:
    """Billing is down until all is in the queue, in the order of chance, and the router's own messages are gone."""
    chance = random.Random(12)
    owned.billing.stop()
    async with tapped(owned) as tap:
        async with traffic(owned, per_s=50) as seen:
            await seen.until_answered(ANSWERS)
        await published_all(owned)
        lines = [line for body in await bodies(tap) for line in body.split(b"\n")]
    async with channel_of(owned.rabbitmq, "billing") as channel:
        await (await channel.get_queue(LEDGER_QUEUE, ensure=False)).purge()
    shuffled = [line for line in lines for _ in range(chance.randrange(1, 6))]
    chance.shuffle(shuffled)
    await publish(owned, shuffled, chance)
    owned.billing.start()
    assert (await audited(seen)).is_exact


async def committed_more(ledger: Ledger) -> None:
    """Returns with the first commit from now on."""
    before = await ledger.event_count()
    await ledger.wait_for_rows("SELECT 1 FROM billing.attempts", at_least=before + 1, within_s=COMMITTED_WITHIN_S)


async def held_though_committed(owned: OwnedStack, ledger: Ledger) -> int:
    """Events in the ledger whose messages the broker has: a consumer had them, and did not acknowledge them."""
    await wait_for_consumers(owned.rabbitmq, 0, within_s=LEFT_WITHIN_S)
    given_back = [message for message in await waiting_messages(owned.rabbitmq) if delivery_count(message) > 0]
    lines = [orjson.loads(line) for message in given_back for line in message.body.split(b"\n")]
    ids = [line["event_id"] for line in lines if "event_id" in line]
    (row,) = await ledger.query("SELECT count(*) AS n FROM billing.attempts WHERE event_id = ANY($1)", ids)
    return int(row["n"])


async def totals(ledger: Ledger, seen: Traffic) -> Row:
    """Of these clients' calls."""
    (row,) = await ledger.query(TOTALS, [outcome.marker for outcome in seen.outcomes])
    return row


def duplicates(owned: OwnedStack) -> float:
    """Rows that this life of billing found in the ledger already."""
    try:
        metrics = get_text(f"{owned.ops_url('billing')}/metrics")
    except OSError:  # it is only starting
        return 0.0
    return total(metrics, "gateway_billing_events_total", result="duplicate")


@asynccontextmanager
async def tapped(owned: OwnedStack) -> AsyncIterator[AbstractQueue]:
    """A queue of the test's own that gets a copy of every message."""
    async with channel_of(owned.rabbitmq, "billing") as channel:
        queue = await channel.declare_queue(TAP, exclusive=True)
        await queue.bind(USAGE_EXCHANGE, USAGE_ROUTING_KEY)
        yield queue


async def bodies(queue: AbstractQueue) -> list[bytes]:
    """All that is in it."""
    found = []
    while (message := await queue.get(no_ack=True, fail=False)) is not None:
        found.append(message.body)
    return found


async def publish(owned: OwnedStack, lines: list[bytes], chance: random.Random) -> None:
    """As the router does, in messages of one to a hundred lines."""
    async with channel_of(owned.rabbitmq, "router") as channel:
        exchange = await channel.get_exchange(USAGE_EXCHANGE, ensure=False)
        while lines:
            taken = chance.randrange(1, 101)
            body, lines = b"\n".join(lines[:taken]), lines[taken:]
            message = Message(body, delivery_mode=DeliveryMode.PERSISTENT, content_type=CONTENT_TYPE)
            await exchange.publish(message, USAGE_ROUTING_KEY, mandatory=True)


async def acknowledged_all(owned: OwnedStack) -> None:
    await asyncio.to_thread(wait_until, lambda: messages_held(owned.rabbitmq) == 0, what="an empty queue")
