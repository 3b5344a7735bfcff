"""Prices of a provider in the ledger's books: with the provider or not at all, and no other book by that way."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway_shared.provider_call import ProviderAction
from tests.integration.provider_store.api_rig import ApiRig, environment_at, open_api_rig
from tests.integration.provider_store.conftest import Connect
from tests.integration.router.router_rig import Simulator, open_simulator
from tests.servers import Certificates, Postgres

PRICES = {"gpt-4o": {"input": "2.5", "cached_input": "1.25", "output": "10"}}
WAITS_FOR_KEYS = "SELECT count(*) FROM pg_locks WHERE relation = 'router.provider_key'::regclass AND NOT granted"
PUBLISH = "SELECT billing.publish_provider_prices($1, $2, $3, $4)"


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
    """Refused at the commit, when the prices have been written."""
    await api.ask("add", body={**mine, "name": "other", "weight": 7})
    await owner.execute(
        "ALTER TABLE router.provider ADD CONSTRAINT of_a_test UNIQUE (weight) DEFERRABLE INITIALLY DEFERRED"
    )
    try:
        assert (await api.ask("add", body={**mine, "weight": 7, "prices": PRICES})).status == 400
    finally:
        await owner.execute("ALTER TABLE router.provider DROP CONSTRAINT of_a_test")
    assert await book(owner, "vllm@mine") == []


async def test_the_ledgers_books_are_held_for_the_last_step_only(
    api: ApiRig, owner: asyncpg.Connection, connect_as: Connect, mine: dict[str, Any]
) -> None:
    reader = await connect_as("operator")
    await reader.execute("SET lock_timeout = '1s'")
    async with owner.transaction():
        await owner.execute("LOCK TABLE router.provider_key IN SHARE MODE")
        adding = asyncio.create_task(api.ask("add", body={**mine, "prices": PRICES}))
        async with asyncio.timeout(3):
            while not await reader.fetchval(WAITS_FOR_KEYS):
                continue
        await reader.execute("SELECT billing.read_books()")
    assert (await adding).status == 201
    assert len(await book(owner, "vllm@mine")) == 1


async def test_prices_without_the_rates_for_cached_tokens_that_the_list_has_are_refused(
    api: ApiRig, owner: asyncpg.Connection, mine: dict[str, Any]
) -> None:
    listed = ["input", "cached_input", "cache_write_5m", "output"]
    await owner.fetchval(PUBLISH, "vllm@of-a-test", ["Tiny-2"] * 4, listed, [10**9] * 4)
    await owner.execute("UPDATE billing.price SET provider = 'vllm' WHERE provider = 'vllm@of-a-test'")
    plain: dict[str, Any] = {"input": 1, "output": 1}
    cached: dict[str, Any] = {**plain, "cached_input": "0.5"}
    whole: dict[str, Any] = {**cached, "cache_write_5m": 1}

    async def refused(action: ProviderAction, rates: dict[str, Any], name: str | None = None, **more: Any) -> str:
        answer = await api.ask(action, name, {**mine, **more, "prices": {"tiny-2-20260101": rates}})
        return answer.error["param"] if answer.status == 400 else str(answer.status)

    assert await refused("add", plain) == "prices.tiny-2-20260101.cached_input"
    assert await refused("add", cached) == "prices.tiny-2-20260101.cache_write_5m"
    assert await book(owner, "vllm@mine") == []
    assert await refused("add", whole) == "201"
    assert await refused("replace", cached, "mine") == "prices.tiny-2-20260101.cache_write_5m"
    # there is no such list price of another kind, and one that comes later makes nothing that stands a mistake
    assert await refused("replace", plain, "mine", kind="openai-compatible") == "200"
    await owner.execute("UPDATE billing.price SET provider = 'openai_compatible' WHERE provider = 'vllm'")
    assert await refused("replace", plain, "mine", kind="openai-compatible", weight=2) == "200"
    assert await refused("replace", plain, "mine", kind="vllm") == "200"
    assert await refused("replace", plain, "mine", kind="openai-compatible") == "prices.tiny-2-20260101.cached_input"


async def test_what_was_imported_in_advance_is_replaced_by_a_put_when_its_date_has_come(
    api: ApiRig, owner: asyncpg.Connection, mine: dict[str, Any]
) -> None:
    in_advance = (
        "INSERT INTO billing.price_version (book, precedence, source, source_version, content_sha256, effective_from)"
        " VALUES ('provider/vllm@mine', 200, 'a test', '1', 'of a test', now() + interval '1 day') RETURNING version_id"
    )
    version_id = await owner.fetchval(in_advance)
    await owner.execute(
        "INSERT INTO billing.price (version_id, provider, model, token_kind, service_tier, context_above_tokens,"
        " nano_usd_per_million_tokens, source) VALUES ($1, 'vllm@mine', 'gpt-4o', 'input', 'standard', 0, 7, 'a test')",
        version_id,
    )
    await api.ask("add", body={**mine, "prices": PRICES})
    await api.ask("replace", "mine", {**mine, "prices": PRICES})
    assert len(await book(owner, "vllm@mine")) == 2  # that one, and what is in force until its date
    date_has_come = "UPDATE billing.price_version SET effective_from = clock_timestamp() WHERE version_id = $1"
    await owner.execute(date_has_come, version_id)
    await api.ask("replace", "mine", {**mine, "weight": 2, "prices": PRICES})
    first, again, now = await book(owner, "vllm@mine")
    assert (first, again) == ([("gpt-4o", "input", 7)], now)
    assert (await api.models("mine/gpt-4o")).json["prices"]["input"] == "2.5"


async def test_a_tenant_does_not_get_rid_of_the_operators_prices_by_deleting_its_provider(
    api: ApiRig, owner: asyncpg.Connection, mine: dict[str, Any]
) -> None:
    assert owner
    await api.ask("add", body={**mine, "tenant_id": "acme", "prices": PRICES})
    refused = await api.ask("delete", "mine", by="acme")
    assert (refused.status, refused.error["param"]) == (403, "prices")
    assert "the operator" in refused.error["message"]
    assert (await api.ask("show", "mine", by="acme")).json["prices"] == PRICES
    await api.ask("replace", "mine", mine, tenant_id="acme")
    assert (await api.ask("delete", "mine", by="acme")).status == 200


@pytest.mark.parametrize(
    ("renamed", "known_as"),
    [
        ("FUNCTION billing.{}(text, text[], text[], bigint[]) RENAME TO {}", "publish_provider_prices"),
        ("VIEW billing.list_price RENAME COLUMN {} TO {}", "cache_write_1h_nano_usd"),
    ],
)
async def test_with_a_ledger_of_an_earlier_release_nothing_is_stored(
    api: ApiRig, owner: asyncpg.Connection, mine: dict[str, Any], renamed: str, known_as: str
) -> None:
    await owner.execute("ALTER " + renamed.format(known_as, "of_a_test"))
    try:
        refused = await api.ask("add", body={**mine, "prices": PRICES})
        assert (refused.status, "migrate billing first" in refused.error["message"]) == (503, True)
        assert (await api.ask("add", body=mine)).status == 201
    finally:
        await owner.execute("ALTER " + renamed.format("of_a_test", known_as))


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
