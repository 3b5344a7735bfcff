"""The broker's or the database's data is gone (RELIABILITY: F20): `replay` makes the ledger what it was."""

import asyncio

from tests.acceptance.backlog import published_all
from tests.acceptance.conftest import Audited
from tests.acceptance.ledger import Ledger, Row
from tests.acceptance.owned_stack import OwnedStack
from tests.acceptance.traffic import Traffic, traffic

ANSWERS = 80
USAGE = """
    SELECT producer, count(*) AS events, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
           md5(string_agg(event_id::text, '' ORDER BY event_id)) AS event_ids
    FROM billing.attempts WHERE producer = ANY($1) GROUP BY producer ORDER BY producer
"""
AMOUNTS = """
    SELECT event_id, cost_nano_usd, charge_nano_usd FROM billing.attempts WHERE agent_run_id = ANY($1) ORDER BY event_id
"""


async def test_replay_restores_what_was_in_the_queue_of_a_broker_that_lost_its_data(
    owned: OwnedStack, owned_ledger: Ledger, audited: Audited
) -> None:
    owned.billing.stop()
    before = await owned_ledger.event_count()
    async with traffic(owned) as seen:
        await seen.until_answered(ANSWERS)
    await published_all(owned)
    owned.rabbitmq.kill()
    owned.rabbitmq.wipe()
    owned.rabbitmq.launch()
    owned.billing.launch()
    for server in (owned.rabbitmq, owned.billing):
        await asyncio.to_thread(server.wait_until_ready)
    assert await owned_ledger.event_count() == before, "the broker has lost nothing: this shows nothing"
    await replay(owned)
    assert seen.refused == []
    assert (await audited(seen)).is_exact


async def test_replay_restores_the_ledger_of_a_database_that_lost_its_data(
    owned: OwnedStack, owned_ledger: Ledger, audited: Audited
) -> None:
    async with traffic(owned) as seen:
        await seen.until_answered(ANSWERS)
    assert (await audited(seen)).is_exact
    before, amounts = await usage(owned, owned_ledger), await amounts_of(seen, owned_ledger)
    for server in (owned.edge, owned.router, owned.billing, owned.postgres):
        server.stop()
    owned.postgres.wipe()
    owned.postgres.start()
    owned.home.keys.unlink()
    owned.prepare_database()
    for server in (owned.router, owned.billing, owned.edge):
        server.launch()
    for server in (owned.router, owned.billing, owned.edge):
        await asyncio.to_thread(server.wait_until_ready)
    assert await owned_ledger.event_count() == 0
    await replay(owned)
    assert (await audited(seen)).is_exact
    assert await usage(owned, owned_ledger) == before
    assert await amounts_of(seen, owned_ledger) == amounts


async def replay(owned: OwnedStack) -> None:
    """The operator's command, beside a living router."""
    print(await asyncio.to_thread(owned.command, "router", "replay"))


async def usage(owned: OwnedStack, ledger: Ledger) -> list[Row]:
    """What the ledger says of each router process whose journal is here.

    Without amounts: other tests import prices of their own, which `prepare_database` does not.
    """
    producers = [f"{folder.parent.name}/{folder.name}" for folder in owned.home.journal.glob("*/*")]
    return await ledger.query(USAGE, producers)


async def amounts_of(seen: Traffic, ledger: Ledger) -> list[Row]:
    """Cost and charge of each call of these clients."""
    return await ledger.query(AMOUNTS, [outcome.marker for outcome in seen.outcomes])
