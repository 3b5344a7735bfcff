"""Postgres away for longer than the broker waits for an acknowledgement (RELIABILITY: F5), or locked, or slow (F6)."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiohttp
import asyncpg
import pytest

from gateway_edge.key_format import make_key
from tests.acceptance.audit import audit
from tests.acceptance.broker_view import delivery_counts, messages_held, set_consumer_timeout, wait_for_consumers
from tests.acceptance.ledger import Ledger
from tests.acceptance.owned_stack import OwnedStack
from tests.acceptance.price_list import PriceList
from tests.acceptance.traffic import traffic

CONSUMER_TIMEOUT_S = 3
GIVEN_UP_WITHIN_S = 3 * 5.0
"""Three times the stated bound."""
USABLE_FOR_S = 300.0
"""How long an edge trusts a key that it cannot look up."""
STATEMENT_TIMEOUT_S = 4.0


@pytest.fixture
def impatient_broker(owned: OwnedStack) -> Iterator[None]:
    """Its channels are closed when an acknowledgement takes longer than CONSUMER_TIMEOUT_S."""
    set_consumer_timeout(owned.rabbitmq, CONSUMER_TIMEOUT_S * 1000)
    owned.billing.stop()
    owned.billing.start()
    yield
    set_consumer_timeout(owned.rabbitmq, 1_800_000)
    owned.billing.stop()
    owned.billing.start()


@pytest.fixture(autouse=True)
async def counted_before(owned_ledger: Ledger) -> None:
    print(f"{await owned_ledger.event_count()} events before")


@pytest.mark.usefixtures("impatient_broker")
@pytest.mark.parametrize("away_s", [2.5 * CONSUMER_TIMEOUT_S, pytest.param(USABLE_FOR_S + 30, marks=pytest.mark.long)])
async def test_while_postgres_is_away_answers_go_on_and_messages_go_back_once(
    owned: OwnedStack, owned_ledger: Ledger, prices: PriceList, away_s: float
) -> None:
    async with traffic(owned) as seen:
        await seen.until_answered(20)
        owned.postgres.kill()
        away_since_s = time.monotonic()
        try:
            await wait_for_consumers(owned.rabbitmq, 0, within_s=GIVEN_UP_WITHIN_S)
            given_up_s = time.monotonic() - away_since_s
            # a key that never was, and one that was not used yet: the edge cannot tell them apart now
            cold = [await status_of_call(owned, key) for key in (make_key("gw", bytes(32)), owned.run["admin_key"])]
            while time.monotonic() - away_since_s < min(away_s, USABLE_FOR_S - 10):
                await seen.until_answered(20)
            in_outage = [outcome.status for outcome in seen.outcomes]
            if away_s > USABLE_FOR_S:
                await asyncio.sleep(away_since_s + away_s - time.monotonic())
                too_long = {await status_of_call(owned, owned.run[key]) for key in ("standard_key", "langchain_key")}
                assert too_long == {503}
            waiting = await delivery_counts(owned.rabbitmq)
        finally:
            owned.postgres.launch()
            await asyncio.to_thread(owned.postgres.wait_until_ready)
    print(
        f"given up after {given_up_s:.1f} s; {len(waiting)} messages waited, the most given back {max(waiting)} times"
    )
    assert set(in_outage) == {200}
    assert cold == [503, 503]
    assert max(waiting) <= 1
    found = await audit(owned_ledger, owned.simulator_url, seen.outcomes, prices)
    assert found.is_exact
    assert found.answered > 100
    await wait_for_consumers(owned.rabbitmq, 1, within_s=10)


async def status_of_call(owned: OwnedStack, key: str) -> int:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": f"[[sim words=1 id={uuid.uuid4().hex}]]"}]}
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.request("POST", f"{owned.edge_url}/v1/chat/completions", json=body, headers=headers) as answer:
        await answer.read()
        return answer.status


@asynccontextmanager
async def locked(owned: OwnedStack) -> AsyncIterator[None]:
    connection = await asyncpg.connect(owned.run["postgres_owner_dsn"])
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            await connection.execute("LOCK TABLE billing.event IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


@asynccontextmanager
async def slow(owned: OwnedStack) -> AsyncIterator[None]:
    """Each answer of the database comes later than the consumer waits for it."""
    with owned.proxies.billing_to_database.slow(0.6 * STATEMENT_TIMEOUT_S):
        yield


Hindrance = Callable[[OwnedStack], AbstractAsyncContextManager[None]]


@pytest.mark.parametrize(
    ("hindrance", "lasts_s"),
    [
        pytest.param(locked, 2 * STATEMENT_TIMEOUT_S, id="locked"),
        pytest.param(locked, 120.0, marks=pytest.mark.long, id="locked for long"),
        pytest.param(slow, 120.0, marks=pytest.mark.long, id="slow"),
    ],
)
async def test_a_batch_that_takes_too_long_is_tried_again_and_not_acknowledged(
    owned: OwnedStack, owned_ledger: Ledger, prices: PriceList, hindrance: Hindrance, lasts_s: float
) -> None:
    async with traffic(owned) as seen:
        await seen.until_answered(20)
        async with hindrance(owned):
            since_s = time.monotonic()
            held = []
            while time.monotonic() - since_s < lasts_s:
                await seen.until_answered(20)
                held.append(await asyncio.to_thread(messages_held, owned.rabbitmq))
    print(f"messages in the queue meanwhile: {held}")
    assert held == sorted(held)
    assert held[-1] > held[0]
    found = await audit(owned_ledger, owned.simulator_url, seen.outcomes, prices)
    assert found.is_exact
    assert found.answered == found.asked
