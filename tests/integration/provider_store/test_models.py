"""`/v1/models` at the router: what a tenant may call, with the prices of the ledger's books."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway_shared import migrations
from tests.integration.provider_store.api_rig import ApiRig, environment_at, open_api_rig
from tests.integration.provider_store.conftest import Connect
from tests.integration.router.router_rig import Simulator, open_simulator
from tests.servers import Certificates, Postgres

NANO = 1_000_000_000


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with open_simulator() as running:
        yield running


@pytest.fixture
async def books(database: Postgres, connect_as: Connect) -> AsyncIterator[asyncpg.Connection]:
    """The public book, an override of one model, and a version that is not in force yet."""
    owner = await connect_as("operator")
    await migrations.migrate(owner, schema="billing", package="gateway_billing")
    now = datetime.now(UTC)
    await import_book(owner, "test-public", 1_000, now - timedelta(days=2), gpt_4o=(9, 9))
    await import_book(
        owner, "test-public", 1_000, now - timedelta(days=1), gpt_4o=(2.5, 10), o3=(2, 8), Gpt_4o_mini=(0.15, 0.6)
    )
    await import_book(owner, "test-public", 1_000, now + timedelta(days=1), gpt_4o=(7, 7))
    await import_book(owner, "test-overrides", 1_001, now - timedelta(days=1), o3=(1, 4))
    yield owner
    ours = "(SELECT version_id FROM billing.price_version WHERE book LIKE 'test-%')"
    await owner.execute(f"DELETE FROM billing.price WHERE version_id IN {ours}")
    await owner.execute("DELETE FROM billing.price_version WHERE book LIKE 'test-%'")


async def import_book(
    owner: asyncpg.Connection, book: str, precedence: int, at: datetime, **models: tuple[float, float]
) -> None:
    """`models` have their rates for input and output, USD for a million tokens, `_` for `-`."""
    version_id = await owner.fetchval(
        "INSERT INTO billing.price_version (book, precedence, source, source_version, content_sha256, effective_from)"
        " VALUES ($1, $2, 'a test', '1', md5(random()::text), $3) RETURNING version_id",
        book, precedence, at,
    )  # fmt: skip
    for model, (input_usd, output_usd) in models.items():
        rates = [("input", "standard", 0, input_usd), ("output", "standard", 0, output_usd)]
        rates += [("input", "priority", 0, 99.0), ("input", "standard", 200_000, 88.0)]
        for kind, tier, above, usd in rates:
            await owner.execute(
                "INSERT INTO billing.price (version_id, provider, model, token_kind, service_tier,"
                " context_above_tokens, nano_usd_per_million_tokens, source)"
                " VALUES ($1, 'openai', $2, $3, $4, $5, $6, 'a test')",
                version_id, model.replace("_", "-"), kind, tier, above, int(usd * NANO),
            )  # fmt: skip


@pytest.fixture
async def api(
    certificates: Certificates, database: Postgres, tmp_path: Path, simulator: Simulator
) -> AsyncIterator[ApiRig]:
    async with open_api_rig(certificates, database, tmp_path, environment_at(simulator.url)) as rig:
        yield rig


async def entries(api: ApiRig, *, by: str = "default") -> dict[str, Any]:
    return {entry["id"]: entry for entry in (await api.models(by=by)).json["data"]}


@pytest.mark.usefixtures("books")
async def test_prices_are_those_of_the_books_in_force(api: ApiRig) -> None:
    listed = await entries(api)
    unit = "USD per 1000000 tokens"
    assert listed["gpt-4o"]["prices"] == {"unit": unit, "input": "2.5", "cached_input": None, "output": "10"}
    assert listed["o3"]["prices"] == {"unit": unit, "input": "1", "cached_input": None, "output": "4"}
    assert listed["gpt-4o-mini"]["prices"]["input"] == "0.15"
    assert listed["gpt-4o"]["context_window"] == 128_000
    assert "tools" in listed["gpt-4o"]["capabilities"]


@pytest.mark.usefixtures("books")
async def test_a_provider_is_in_the_list_as_soon_as_it_is_there(api: ApiRig, simulator: Simulator) -> None:
    body = {"name": "mine", "kind": "vllm", "base_url": f"{simulator.url}/openai/v1", "api_key": "sk-0123456789ab"}
    before = await entries(api)
    await api.ask("add", body={**body, "models": ["m-7b", "m-*"], "aliases": {"fast": "m-7b"}, "tenant_id": "acme"})
    assert set(await entries(api)) == set(before)
    assert set(await entries(api, by="acme")) == {*before, "m-7b", "fast"}
    assert (await api.models("m-13b", by="acme")).json["owned_by"] == "mine"
    assert (await api.models("m-13b", by="globex")).error["code"] == "model_not_found"
    assert (await api.chat("m-13b", by="acme")).status == 200
    await api.ask("delete", "mine", tenant_id="acme")
    assert set(await entries(api, by="acme")) == set(before)


async def test_without_the_books_there_are_models_and_no_prices(api: ApiRig, books: asyncpg.Connection) -> None:
    await books.execute("REVOKE SELECT ON billing.list_price FROM router")
    try:
        assert (await entries(api))["gpt-4o"]["prices"] is None
    finally:
        await books.execute("GRANT SELECT ON billing.list_price TO router")


async def test_each_name_in_the_list_can_be_called(api: ApiRig) -> None:
    some = [name for name in await entries(api) if name.startswith(("gpt-4o", "o3"))]
    assert len(some) > 5
    assert {(await api.chat(name)).status for name in some} == {200}
