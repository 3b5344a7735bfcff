"""Prices that change while requests are in flight (RELIABILITY: F15): each is rated by what was in force when it began.

A provider's key and address that change in flight are in tests/integration/router/test_changed_providers.py.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from gateway_local.first_steps import TARIFFS

from tests.acceptance.ledger import Ledger
from tests.acceptance.owned_stack import OwnedStack
from tests.acceptance.streams import StreamClient, finished, held, provider_log, release, rows_of

MODEL = "openai/price-change"
"""Nobody else's, so that nobody else's costs change."""
BOOK = "test of prices in flight"
NANO_USD_PER_TOKEN = (1_000, 2_000, 3_000)
"""Of each version in turn, input and output alike."""
PRICES = {"gpt-4o": {"input": "0.5", "output": "0.5"}}
DEARER = {"gpt-4o": {"input": "0.625", "output": "0.625"}}
HELD = 10
ASKING = 4
ROWS_WITHIN_S = 30.0


def price_file(folder: Path, version: int) -> Path:
    """Without a date: its rates count from the import on."""
    rate = NANO_USD_PER_TOKEN[version] * 1_000_000
    model = {
        "provider": "openai",
        "model": MODEL.partition("/")[2],
        "source": "a test",
        "rates": {"standard": {"0": {"input": rate, "output": rate}}},
    }
    content = {
        "format": "agent-gateway-prices/1",
        "book": BOOK,
        "precedence": 200,
        "source": "a test",
        "source_version": str(version),
        "source_sha256": None,
        "models": [model],
    }
    path = folder / f"prices-{version}.json"
    path.write_bytes(orjson.dumps(content))
    return path


async def test_each_request_is_rated_by_the_prices_in_force_when_it_began(
    owned: OwnedStack, owned_ledger: Ledger, tmp_path: Path
) -> None:
    before = await owned_ledger.event_count()
    await import_prices(owned, tmp_path, 0)
    over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(ask_until(owned, over)) for _ in range(ASKING)]
        early = [stream(owned, "words=4 hold_after=2") for _ in range(HELD)]
        await asyncio.gather(*(one.open(owned.ports.edge) for one in early))
        await held(owned, HELD)
        for version in (1, 2):
            await import_prices(owned, tmp_path, version)
        await release(owned)
        await finished(early)
        late = [stream(owned, "words=4") for _ in range(HELD)]
        await asyncio.gather(*(one.open(owned.ports.edge) for one in late))
        await finished(late)
        over.set()
    clients = [*early, *late, *(client for task in asking for client in task.result())]
    rows = await rows_of(owned_ledger, clients, within_s=ROWS_WITHIN_S)
    versions = await versions_of(owned_ledger)
    rated = Counter(row["price_version"] for row in rows.values())
    print(
        f"{len(clients)} clients, {len(await provider_log(owned, clients))} calls at the provider, {before} events "
        f"before and {len(rows)} more, by version {dict(rated)}"
    )
    assert all(client.is_complete for client in clients)
    for row in rows.values():
        number = in_force(versions, row["started_at"])
        assert row["price_version"] == versions[number][1], row["started_at"]
        assert row["cost_nano_usd"] == NANO_USD_PER_TOKEN[number] * (row["input_tokens"] + row["output_tokens"])
    assert {rows[client.run_id]["price_version"] for client in early} == {versions[0][1]}
    assert {rows[client.run_id]["price_version"] for client in late} == {versions[2][1]}
    assert len(rated) == len(versions)


async def test_a_call_in_flight_keeps_the_price_that_its_provider_was_registered_with(
    owned: OwnedStack, owned_ledger: Ledger
) -> None:
    name = f"own-{uuid.uuid4().hex[:8]}"
    await register(owned, name, PRICES)
    early = StreamClient(owned.run["standard_key"], "words=4 hold_after=2", f"{name}/gpt-4o")
    await early.open(owned.ports.edge)
    await held(owned, 1)
    await register(owned, name, DEARER, replaces=True)
    late = StreamClient(owned.run["standard_key"], "words=4", f"{name}/gpt-4o")
    await late.open(owned.ports.edge)
    await late.finish()
    assert not early.is_complete
    await release(owned)
    await early.finish()
    assert early.is_complete
    rows = await rows_of(owned_ledger, [early, late], within_s=ROWS_WITHIN_S)
    for client, nano_usd_per_token in ((early, 500), (late, 625)):
        row = rows[client.run_id]
        assert row["cost_nano_usd"] == nano_usd_per_token * (row["input_tokens"] + row["output_tokens"])
        assert row["price_provider"] == f"openai_compatible@{name}"
    assert rows[early.run_id]["price_version"] < rows[late.run_id]["price_version"]


async def test_a_start_leaves_the_operators_own_tariffs_in_force(
    owned: OwnedStack, owned_ledger: Ledger, tmp_path: Path
) -> None:
    shipped = orjson.loads(TARIFFS.read_bytes())
    own = tmp_path / "tariffs.json"
    own.write_bytes(orjson.dumps(shipped | {"source": "an operator"}))
    owned.owner_command("billing", "import-tariffs", str(own))
    owned.prepare_database()
    newest = "SELECT source FROM billing.tariff_version ORDER BY version_id DESC LIMIT 1"
    assert [row["source"] for row in await owned_ledger.query(newest)] == ["an operator"]


async def register(owned: OwnedStack, name: str, prices: dict[str, Any], *, replaces: bool = False) -> None:
    headers = {"Authorization": f"Bearer {owned.run['admin_key']}"}
    body = {
        "name": name,
        "kind": "openai-compatible",
        "base_url": f"{owned.simulator_url}/openai/v1",
        "api_key": "sk-0123456789abcdef",
        "prices": prices,
    }
    method, path = ("PUT", f"/{name}") if replaces else ("POST", "")
    url = f"{owned.edge_url}/v1/providers{path}"
    async with aiohttp.request(method, url, json=body, headers=headers) as answer:
        assert answer.status in (200, 201), await answer.text()


async def import_prices(owned: OwnedStack, folder: Path, version: int) -> None:
    file = price_file(folder, version)
    await asyncio.to_thread(owned.owner_command, "billing", "import-prices", str(file))


async def versions_of(ledger: Ledger) -> list[tuple[datetime, int]]:
    """From when on each counts, and its number."""
    rows = await ledger.query(
        "SELECT effective_from, version_id FROM billing.price_version WHERE book = $1 ORDER BY version_id", BOOK
    )
    return [(row["effective_from"], row["version_id"]) for row in rows]


def in_force(versions: Sequence[tuple[datetime, int]], at: datetime) -> int:
    return max(number for number, (begins, _) in enumerate(versions) if begins <= at)


def stream(owned: OwnedStack, directive: str) -> StreamClient:
    return StreamClient(owned.run["standard_key"], directive, MODEL)


async def ask_until(owned: OwnedStack, over: asyncio.Event) -> list[StreamClient]:
    """One call after the other."""
    clients = []
    while not over.is_set():
        clients.append(stream(owned, "words=2 delay_ms=5"))
        await clients[-1].open(owned.ports.edge)
        await clients[-1].finish()
    return clients
