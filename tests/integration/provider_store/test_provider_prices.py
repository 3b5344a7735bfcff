"""Prices of a provider in the ledger's books: with the provider or not at all, and no other book by that way."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway_shared import migrations
from tests.integration.provider_store.api_rig import ApiRig, environment_at, open_api_rig
from tests.integration.provider_store.conftest import Connect
from tests.integration.router.router_rig import Simulator, open_simulator
from tests.servers import Certificates, Postgres

PRICES = {"gpt-4o": {"input": "2.5", "cached_input": "1.25", "output": "10"}}
PUBLISH = "SELECT billing.publish_provider_prices($1, $2, $3, $4)"


@pytest.fixture
async def owner(database: Postgres, connect_as: Connect) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect_as("operator")
    await migrations.migrate(connection, schema="billing", package="gateway_billing")
    yield connection
    ours = "(SELECT version_id FROM billing.price_version WHERE book LIKE 'provider/%')"
    await connection.execute(f"DELETE FROM billing.price WHERE version_id IN {ours}")
    await connection.execute("DELETE FROM billing.price_version WHERE book LIKE 'provider/%'")


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with open_simulator() as running:
        yield running


@pytest.fixture
async def api(
    certificates: Certificates, owner: asyncpg.Connection, database: Postgres, tmp_path: Path, simulator: Simulator
) -> AsyncIterator[ApiRig]:
    assert owner
    async with open_api_rig(certificates, database, tmp_path, environment_at(simulator.url)) as rig:
        yield rig


@pytest.fixture
def mine(simulator: Simulator) -> dict[str, Any]:
    return {"name": "mine", "kind": "vllm", "base_url": f"{simulator.url}/openai/v1", "api_key": "sk-0123456789ab"}


async def book(owner: asyncpg.Connection, name: str) -> list[list[tuple[str, str, int]]]:
    """Its versions, oldest first: model, kind of token and rate."""
    rows = await owner.fetch(
        "SELECT v.version_id, p.model, p.token_kind, p.nano_usd_per_million_tokens, p.provider FROM billing.price AS p"
        " JOIN billing.price_version AS v USING (version_id) WHERE v.book = $1 ORDER BY 1, 2, 3",
        f"provider/{name}",
    )
    assert {row["provider"] for row in rows} <= {name}
    versions: dict[int, list[tuple[str, str, int]]] = {}
    for version_id, *rate, _ in rows:
        versions.setdefault(version_id, []).append(tuple(rate))
    return list(versions.values())


async def test_a_provider_comes_with_its_prices_and_calls_name_them(
    api: ApiRig, owner: asyncpg.Connection, mine: dict[str, Any]
) -> None:
    added = await api.ask("add", body={**mine, "prices": PRICES})
    assert (added.status, added.json["prices"]) == (201, PRICES)
    rates = [("gpt-4o", "cached_input", 1_250_000_000), ("gpt-4o", "input", 2_500_000_000)]
    assert await book(owner, "vllm@mine") == [[*rates, ("gpt-4o", "output", 10_000_000_000)]]
    assert (await api.chat("mine/gpt-4o")).status == 200
    assert api.settled()[-1].price_provider == "vllm@mine"
    assert (await api.models("mine/gpt-4o")).json["prices"]["cached_input"] == "1.25"

    await api.ask("replace", "mine", {**mine, "weight": 2, "prices": PRICES})
    assert len(await book(owner, "vllm@mine")) == 1  # the same prices are no new version
    dearer = {"gpt-4o": {"input": 3, "output": 12}}
    assert (await api.ask("replace", "mine", {**mine, "prices": dearer})).status == 200
    assert len(await book(owner, "vllm@mine")) == 2
    assert (await api.models("mine/gpt-4o")).json["prices"]["input"] == "3"

    assert (await api.ask("replace", "mine", mine)).json["prices"] == {}
    assert (await api.chat("mine/gpt-4o")).status == 200
    assert api.settled()[-1].price_provider == "vllm"
    assert (await api.models("mine/gpt-4o")).json["prices"] is None


async def test_a_tenants_provider_has_a_book_of_its_own_that_only_the_operator_writes(
    api: ApiRig, owner: asyncpg.Connection, mine: dict[str, Any]
) -> None:
    assert (await api.ask("add", body={**mine, "prices": PRICES, "base_url": "https://example.com"}, by="acme")).error[
        "param"
    ] == "prices"
    await api.ask("add", body={**mine, "tenant_id": "acme", "prices": PRICES})
    assert len(await book(owner, "vllm@acme/mine")) == 1
    public = {**mine, "base_url": "https://example.com/v1"}
    assert (await api.ask("replace", "mine", public, by="acme")).json["prices"] == PRICES
    cheaper = {**public, "prices": {"gpt-4o": {"input": 1, "output": 1}}}
    assert (await api.ask("replace", "mine", cheaper, by="acme")).status == 403
    assert len(await book(owner, "vllm@acme/mine")) == 1


async def test_a_provider_that_is_not_stored_leaves_no_prices(
    api: ApiRig, owner: asyncpg.Connection, mine: dict[str, Any]
) -> None:
    await owner.execute("ALTER TABLE router.provider ADD CONSTRAINT of_a_test CHECK (weight <> 7)")
    try:
        assert (await api.ask("add", body={**mine, "weight": 7, "prices": PRICES})).status == 400
    finally:
        await owner.execute("ALTER TABLE router.provider DROP CONSTRAINT of_a_test")
    assert await book(owner, "vllm@mine") == []


async def test_with_a_ledger_of_an_earlier_release_nothing_is_stored(
    api: ApiRig, owner: asyncpg.Connection, mine: dict[str, Any]
) -> None:
    rename = "ALTER FUNCTION billing.{}(text, text[], text[], bigint[]) RENAME TO {}"
    await owner.execute(rename.format("publish_provider_prices", "of_a_test"))
    try:
        refused = await api.ask("add", body={**mine, "prices": PRICES})
        assert (refused.status, "migrate billing first" in refused.error["message"]) == (503, True)
        assert (await api.ask("add", body=mine)).status == 201
    finally:
        await owner.execute(rename.format("of_a_test", "publish_provider_prices"))


@pytest.mark.parametrize("name", ["openai", "litellm", "openai@", "@acme", "openai@a/b/c", "openai@acme\nx", "o@Acme"])
async def test_no_other_book_can_be_reached(owner: asyncpg.Connection, connect_as: Connect, name: str) -> None:
    assert owner
    router = await connect_as("router")
    with pytest.raises(asyncpg.CheckViolationError):
        await router.fetchval(PUBLISH, name, ["m"], ["input"], [1])


@pytest.mark.parametrize(
    ("models", "kinds", "nano_usd"),
    [([], [], []), (["m"], ["input"], [-1]), (["m"], ["no kind"], [1]), (["m", "n"], ["input"], [1])],
)
async def test_what_is_no_price_is_refused(
    owner: asyncpg.Connection, connect_as: Connect, models: list[str], kinds: list[str], nano_usd: list[int]
) -> None:
    router = await connect_as("router")
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await router.fetchval(PUBLISH, "vllm@mine", models, kinds, nano_usd)
    assert await book(owner, "vllm@mine") == []
