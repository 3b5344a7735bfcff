"""`/v1/providers` at the router: what an operator adds is used by the next call, and what is deleted by none."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway_shared.provider_call import ProviderAction
from tests.integration.provider_store.api_rig import ENVIRONMENTS_KEY, ApiRig, environment_at, open_api_rig
from tests.integration.router.router_rig import Simulator, open_simulator
from tests.integration.router.test_changed_providers import holders_of
from tests.servers import Certificates, Postgres

KEY = "sk-secret-0123456789wxyz"
MEMBERS = {
    "object", "name", "kind", "base_url", "tenant_id", "models", "aliases", "prices", "priority", "weight",
    "max_open_calls", "requests_per_minute", "connect_timeout_s", "first_byte_timeout_s", "silence_timeout_s",
    "call_timeout_s", "source", "api_keys", "version", "created_at", "updated_at", "health",
}  # fmt: skip


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with open_simulator() as running:
        yield running


@pytest.fixture
async def api(
    certificates: Certificates, database: Postgres, tmp_path: Path, simulator: Simulator
) -> AsyncIterator[ApiRig]:
    async with open_api_rig(certificates, database, tmp_path, environment_at(simulator.url)) as rig:
        yield rig


@pytest.fixture
def mine(simulator: Simulator) -> dict[str, Any]:
    """A body that registers the simulator."""
    return {"kind": "openai-compatible", "base_url": f"{simulator.url}/openai/v1", "api_key": KEY}


async def test_the_next_call_uses_what_was_added_and_none_what_was_deleted(api: ApiRig, mine: dict[str, Any]) -> None:
    assert (await api.chat("mine/gpt-4o")).status == 404
    added = await api.ask("add", body={**mine, "name": "mine"})
    assert (added.status, added.headers["location"]) == (201, "/v1/providers/mine")
    assert set(added.json) == MEMBERS
    assert added.json["api_keys"] == [{"last_four": "wxyz"}]
    assert (await api.chat("mine/gpt-4o")).headers["x-gateway-provider"] == "mine"
    deleted = await api.ask("delete", "mine")
    assert (deleted.status, deleted.json["deleted"]) == (200, True)
    assert (await api.chat("mine/gpt-4o")).error["code"] == "model_not_found"
    assert (await api.ask("show", "mine")).error["code"] == "provider_not_found"


async def test_a_replacement_keeps_its_keys_and_is_in_force_at_once(
    api: ApiRig, mine: dict[str, Any], simulator: Simulator
) -> None:
    await api.ask("add", body={**mine, "name": "mine"})
    without_key = {name: value for name, value in mine.items() if name != "api_key"}
    replaced = await api.ask("replace", "mine", {**without_key, "base_url": f"{simulator.url}/meta/v1"})
    assert (replaced.status, replaced.json["api_keys"]) == (200, [{"last_four": "wxyz"}])
    assert (await api.chat("mine/gpt-4o")).status == 200
    assert (await simulator.requests())[-1]["provider"] == "meta"
    elsewhere = await api.ask("replace", "mine", {**without_key, "base_url": "https://evil.example.com/v1"})
    assert (elsewhere.status, elsewhere.error["param"]) == (400, "api_key")


async def test_a_deleted_providers_key_is_gone_from_memory_too(api: ApiRig, mine: dict[str, Any]) -> None:
    key = f"sk-{secrets.token_hex(16)}"
    await api.ask("add", body={**mine, "api_key": key, "name": "mine", "models": ["gpt-4o"]})
    assert [(await api.ask("test", "mine")).json["ok"], (await api.chat("gpt-4o")).status] == [True, 200]
    assert "gpt-4o" in (await api.models()).text
    assert "Secret" in holders_of(key)
    await api.ask("delete", "mine")
    assert holders_of(key) == []


async def test_a_second_one_of_the_name_is_a_conflict(api: ApiRig, mine: dict[str, Any]) -> None:
    await api.ask("add", body={**mine, "name": "mine"})
    again = await api.ask("add", body={**mine, "name": "mine"})
    assert (again.status, again.error["code"], again.error["param"]) == (409, "conflict", "name")


async def test_of_two_who_change_the_same_version_one_is_told(api: ApiRig, mine: dict[str, Any]) -> None:
    etag = (await api.ask("add", body={**mine, "name": "mine"})).headers["etag"]
    assert (await api.ask("show", "mine")).headers["etag"] == etag
    first = await api.ask("replace", "mine", {**mine, "weight": 2}, if_match=etag)
    assert first.status == 200
    for action in ("replace", "delete"):
        second = await api.ask(action, "mine", {**mine, "weight": 3}, if_match=etag)
        assert (second.status, second.error["code"]) == (412, "version_mismatch")
        assert first.headers["etag"] in second.error["message"]
    assert (await api.ask("delete", "mine", if_match=first.headers["etag"])).status == 200


async def test_the_environments_providers_are_shown_and_not_changed(api: ApiRig, mine: dict[str, Any]) -> None:
    (shown,) = (await api.ask("list")).json["data"]
    assert set(shown) == MEMBERS | {"environment_variable"}
    assert (shown["name"], shown["source"], shown["api_keys"]) == ("openai", "environment", [{"last_four": "6789"}])
    for action in ("replace", "delete"):
        refused = await api.ask(action, "openai", mine)
        assert (refused.status, "OPENAI_API_KEY" in refused.error["message"]) == (409, True)


async def test_one_of_the_same_name_stands_in_its_place_until_it_is_deleted(
    api: ApiRig, mine: dict[str, Any], simulator: Simulator
) -> None:
    added = await api.ask("add", body={**mine, "name": "openai", "base_url": f"{simulator.url}/meta/v1"})
    assert added.status == 201
    assert [one["source"] for one in (await api.ask("list")).json["data"]] == ["api"]
    await api.chat("openai/gpt-4o")
    assert (await simulator.requests())[-1]["provider"] == "meta"
    await api.ask("delete", "openai")
    assert [one["source"] for one in (await api.ask("list")).json["data"]] == ["environment"]
    await api.chat("openai/gpt-4o")
    assert (await simulator.requests())[-1]["provider"] == "openai"


async def test_a_tenants_own_is_seen_and_used_by_its_keys_only(api: ApiRig, mine: dict[str, Any]) -> None:
    added = await api.ask("add", body={**mine, "name": "mine", "tenant_id": "acme"})
    assert (added.status, added.headers["location"]) == (201, "/v1/providers/mine?tenant_id=acme")
    assert [(await api.chat("mine/gpt-4o", by=one)).status for one in ("acme", "globex", "default")] == [200, 404, 404]
    assert [len((await api.ask("list", by=one)).json["data"]) for one in ("acme", "globex", "default")] == [1, 0, 2]
    assert (await api.ask("show", "mine", by="acme")).status == 200
    missing = await api.ask("show", "mine", by="globex")
    for action in ("show", "replace", "delete", "test"):
        for tenant_id in (None, "acme"):
            other = await api.ask(action, "mine", mine, by="globex", tenant_id=tenant_id)
            assert (other.status, other.error["code"]) == (404, missing.error["code"])
    assert (await api.ask("delete", "mine")).status == 404, "the path means the one for all"
    assert (await api.ask("delete", "mine", tenant_id="acme")).status == 200


async def test_a_tenants_admin_manages_its_own_only(api: ApiRig, mine: dict[str, Any]) -> None:
    private = await api.ask("add", body={**mine, "name": "mine"}, by="acme")
    assert (private.status, private.error["param"]) == (400, "base_url")
    public = {**mine, "base_url": "https://llm.example.com/v1"}
    added = await api.ask("add", body={**public, "name": "mine"}, by="acme")
    assert (added.status, added.json["tenant_id"]) == (201, "acme")
    assert (await api.ask("add", body={**public, "name": "x", "tenant_id": "globex"}, by="acme")).status == 403
    assert (await api.ask("show", "openai", by="acme")).status == 404
    for action in ("show_routing", "replace_routing"):
        assert (await api.ask(action, body={}, by="acme")).status == 403
    assert (await api.ask("delete", "mine", by="acme")).status == 200


async def test_fallbacks_are_stored_and_shown(api: ApiRig) -> None:
    assert (await api.ask("show_routing")).json == {"object": "routing", "fallbacks": {}, "version": 0}
    wanted = {"fallbacks": {"gpt-4o": ["o3", "gpt-4o-mini"]}}
    stored = await api.ask("replace_routing", body=wanted, if_match='"0"')
    assert (stored.status, stored.json["fallbacks"]) == (200, wanted["fallbacks"])
    assert (await api.ask("show_routing")).headers["etag"] == stored.headers["etag"]
    assert (await api.ask("replace_routing", body={}, if_match='"0"')).status == 412
    assert api.stored.directory.current.fallbacks == {"gpt-4o": ("o3", "gpt-4o-mini")}


async def test_what_is_refused_changes_nothing(api: ApiRig, mine: dict[str, Any]) -> None:
    before = (await api.ask("list")).json
    for body in (b"{", {**mine, "name": "x", "base_url": "https://10.0.0.1"}, {**mine, "name": "x", "prices": []}):
        refused = await api.ask("add", body=body)
        assert (refused.status, KEY in refused.text) == (400, False)
    assert (await api.ask("list")).json == before


async def test_a_router_without_key_ring_keeps_no_keys(
    certificates: Certificates, database: Postgres, tmp_path: Path, simulator: Simulator, mine: dict[str, Any]
) -> None:
    environment = environment_at(simulator.url)
    async with open_api_rig(certificates, database, tmp_path, environment, has_ring=False) as api:
        refused = await api.ask("add", body={**mine, "name": "mine"})
        assert (refused.status, "PROVIDER_KEY_RING_FILE" in refused.error["message"]) == (503, True)
        assert ENVIRONMENTS_KEY not in (await api.ask("list")).text


async def test_with_postgres_away_calls_go_on_and_the_api_says_why_it_does_not(
    api: ApiRig, mine: dict[str, Any], database: Postgres
) -> None:
    await api.ask("add", body={**mine, "name": "mine"})
    database.kill()
    try:
        asked: list[tuple[ProviderAction, Any]] = [("list", None), ("add", {**mine, "name": "other"}), ("delete", None)]
        for action, body in asked:
            refused = await api.ask(action, "mine", body)
            assert (refused.status, refused.error["code"]) == (503, "database_unavailable")
            assert refused.headers["retry-after"] == "1"
        assert (await api.chat("mine/gpt-4o")).status == 200
    finally:
        database.start()
    assert (await api.ask("delete", "mine")).status == 200
