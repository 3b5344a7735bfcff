"""Stored providers in a real Postgres: what is kept, who may change it, and what a thief of the database gets."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest

from gateway_router import provider_store
from gateway_router.configuration import Configuration
from gateway_router.key_ring import KEY_BYTES, KeyRing, SecretUnreadable
from gateway_router.provider_store import (
    DefinitionRefused,
    KeyRingMissing,
    ProviderNotFound,
    ProviderStore,
    VersionMismatch,
)
from gateway_router.providers_in_force import combine
from gateway_router.sealed_secret import SealedSecret, SecretPlace
from gateway_router.stored_provider import ProviderDefinition, StoredConfiguration, StoredProvider, StoredRouting
from gateway_shared import postgres
from gateway_shared.errors import DatabaseUnavailable
from gateway_shared.settings import Secret
from tests.integration.provider_store.conftest import Connect, OpenStore
from tests.servers import Postgres
from tests.unit.router.stored import CANARY, definition, ring

EVERYTHING = definition(
    "acme",
    tenant_id="tenant-1",
    models=("acme-1", "acme-*"),
    aliases={"fast": "acme-1"},
    prices={"acme-1": {"input": "0.25", "cached_input": "0", "output": "1.5", "free": True}},
    priority=-2,
    weight=5,
    max_open_calls=7,
    requests_per_minute=600,
    connect_timeout_s=1.5,
    first_byte_timeout_s=20.0,
    silence_timeout_s=30.0,
    call_timeout_s=90.0,
)


async def put(store: ProviderStore, name: str = "acme", *keys: str, **said: object) -> StoredProvider:
    secrets = [Secret(key) for key in keys or (CANARY,)]
    return await store.put_provider(definition(name, **said), api_keys=secrets, expected_version=None)


def opened(stored: StoredConfiguration, *key_ids: str) -> dict[str, list[str]]:
    """The keys of what can be used, by name."""
    found = combine(Configuration(), stored, ring(*key_ids), allowed_hosts=()).configuration
    return {name: [way.api_key.reveal() for way in one.ways] for name, one in found.visible_to(None).items()}


@pytest.mark.usefixtures("owner")
async def test_what_was_stored_is_what_is_read(store: ProviderStore) -> None:
    secrets = [Secret(CANARY), Secret("short")]
    written = await store.put_provider(EVERYTHING, api_keys=secrets, expected_version=0)
    assert await store.get_provider("acme", "tenant-1") == written
    assert await store.list_providers() == (written,)
    assert written.definition == EVERYTHING
    assert [key.last_four for key in written.api_keys] == ["abcd", ""]
    assert (await store.read()).version == written.version


async def test_a_provider_of_another_tenant_is_another_one(store: ProviderStore) -> None:
    for tenant_id in (None, "a", "b"):
        await put(store, "acme", tenant_id=tenant_id)
    await store.delete_provider("acme", "a")
    assert [one.definition.tenant_id for one in await store.list_providers()] == [None, "b"]
    with pytest.raises(ProviderNotFound):
        await store.get_provider("acme", "a")


async def test_every_change_has_a_version_of_its_own(store: ProviderStore) -> None:
    first, second = await put(store, "first"), await put(store, "second")
    assert second.version == first.version + 1
    await store.delete_provider("first")
    assert (await store.read()).version == second.version + 1


async def test_a_change_of_what_somebody_else_changed_is_refused(store: ProviderStore) -> None:
    first = await store.put_provider(definition(), api_keys=None, expected_version=0)
    with pytest.raises(VersionMismatch) as refusal:
        await store.put_provider(definition(), api_keys=None, expected_version=0)
    assert (refusal.value.expected, refusal.value.found) == (0, first.version)
    second = await store.put_provider(definition(weight=9), api_keys=None, expected_version=first.version)
    with pytest.raises(VersionMismatch):
        await store.delete_provider("acme", expected_version=first.version)
    assert await store.get_provider("acme") == second
    assert second.created_at == first.created_at
    assert second.updated_at > first.updated_at
    assert (await store.read()).version == second.version  # a refused change is none


async def test_of_several_that_change_the_same_version_one_wins(store: ProviderStore) -> None:
    standing = await put(store)
    changes = [
        store.put_provider(definition(weight=weight), api_keys=None, expected_version=standing.version)
        for weight in range(2, 7)
    ]
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(VersionMismatch) == 4
    (winner,) = (outcome for outcome in outcomes if isinstance(outcome, StoredProvider))
    assert await store.get_provider("acme") == winner


async def test_a_router_that_stalls_within_a_change_holds_up_no_other_for_long(
    open_store: OpenStore, connect_as: Connect, database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_store, "STATEMENT_TIMEOUT_S", 1.0)
    changed = threading.Event()

    async def change_as_another() -> None:
        files = database.tls_files("operator")
        connection = await postgres.connect(database.dsn("operator"), files, application_name="test")
        await connection.execute("SET lock_timeout = '5s'; UPDATE router.configuration SET version = version + 1")
        await connection.close()
        changed.set()

    class StallingRing(KeyRing):
        """Seals, on the loop, when another one's change is through."""

        def seal(self, secret: Secret, place: SecretPlace) -> SealedSecret:
            with ThreadPoolExecutor() as thread:
                thread.submit(asyncio.run, change_as_another()).result()
            return super().seal(secret, place)

    stalling = open_store(StallingRing({"a": bytes(KEY_BYTES)}))
    with pytest.raises(DatabaseUnavailable):
        await put(stalling)
    assert changed.is_set()
    assert await stalling.list_providers() == ()


async def test_keys_that_are_not_given_stay_and_are_sealed_to_the_new_version(store: ProviderStore) -> None:
    before = await put(store, "acme", "key-number-one", "key-number-two")
    moved = definition(base_url="https://eu.acme.example/v1")
    after = await store.put_provider(moved, api_keys=None, expected_version=before.version)
    assert [key.last_four for key in after.api_keys] == ["-one", "-two"]
    assert opened(await store.read()) == {"acme": ["key-number-one", "key-number-two"]}


async def test_without_a_key_ring_no_key_is_stored(open_store: OpenStore) -> None:
    store = open_store(None)
    with pytest.raises(KeyRingMissing):
        await put(store)
    keyless = await store.put_provider(definition(), api_keys=[], expected_version=0)
    assert await store.list_providers() == (keyless,)


@pytest.mark.parametrize("wrong", [definition("Not A Name"), definition(weight=-1), definition(models=("\x00",))])
async def test_the_database_refuses_what_no_provider_can_be(store: ProviderStore, wrong: ProviderDefinition) -> None:
    with pytest.raises(DefinitionRefused):
        await store.put_provider(wrong, api_keys=[], expected_version=None)
    assert await store.list_providers() == ()


async def test_the_routing_is_stored_with_a_version_too(store: ProviderStore) -> None:
    assert await store.get_routing() == StoredRouting()
    first = await store.put_routing(StoredRouting(fallbacks={"a": ("b", "c")}), expected_version=0)
    assert await store.get_routing() == first
    with pytest.raises(VersionMismatch):
        await store.put_routing(StoredRouting(), expected_version=0)
    await store.put_routing(StoredRouting(), expected_version=first.version)
    assert (await store.get_routing()).fallbacks == {}


async def test_after_a_rewrap_the_old_ring_key_can_be_removed(open_store: OpenStore) -> None:
    await put(open_store(ring("a")), "first", "key-1", "key-2")
    await put(open_store(ring("b", "a")), "second", "key-3")
    before = (await open_store(None).read()).version
    assert await open_store(ring("b", "a")).rewrap() == 2
    stored = await open_store(None).read()
    assert opened(stored, "b") == {"first": ["key-1", "key-2"], "second": ["key-3"]}
    assert stored.version > before  # every router hears of it, and keeps a copy that needs the new key only
    assert await open_store(ring("b")).rewrap() == 0


async def test_a_rewrap_that_cannot_open_a_secret_changes_nothing(open_store: OpenStore) -> None:
    await put(open_store(ring("a")), "first")
    await put(open_store(ring("c")), "lost")
    with pytest.raises(SecretUnreadable, match="lost"):
        await open_store(ring("b", "a")).rewrap()
    assert opened(await open_store(None).read(), "a") == {"first": [CANARY]}


async def test_two_rows_that_were_swapped_both_refuse(store: ProviderStore, connect_as: Connect) -> None:
    await put(store, "first", "key-of-first")
    await put(store, "second", "key-of-second")
    owner = await connect_as("operator")
    await owner.execute(
        "UPDATE router.provider_key AS k SET ciphertext = o.ciphertext, wrapped_data_key = o.wrapped_data_key"
        " FROM router.provider_key AS o WHERE o.provider_id <> k.provider_id"
    )
    assert opened(await store.read()) == {}
    for name in ("first", "second"):
        with pytest.raises(SecretUnreadable):
            await store.put_provider(definition(name), api_keys=None, expected_version=None)


async def test_a_dump_of_the_schema_holds_no_key(store: ProviderStore, connect_as: Connect) -> None:
    await put(store, "acme", CANARY)
    owner = await connect_as("operator")
    tables = await owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'router'")
    assert "provider_key" in {row["tablename"] for row in tables}
    for row in tables:
        dump = str(await owner.fetchval(f"SELECT string_agg(t::text, ' ') FROM router.{row['tablename']} AS t"))
        assert CANARY not in dump
        assert CANARY.encode().hex() not in dump


@pytest.mark.parametrize("role", ["edge", "billing", "billing_reader"])
async def test_no_other_role_sees_anything_of_the_schema(connect_as: Connect, store: ProviderStore, role: str) -> None:
    connection = await connect_as(role)
    for table in ("provider", "provider_key", "routing_setting", "configuration", "migration"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(f"SELECT * FROM router.{table}")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE router.mine ()",
        "ALTER TABLE router.provider DISABLE TRIGGER ALL",
        "TRUNCATE router.provider CASCADE",
        "DELETE FROM router.configuration",
        "INSERT INTO router.migration VALUES ('900.sql', '')",
    ],
)
async def test_the_router_changes_rows_and_nothing_else(
    connect_as: Connect, store: ProviderStore, statement: str
) -> None:
    connection = await connect_as("router")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)


async def test_every_column_says_what_it_holds(store: ProviderStore, connect_as: Connect) -> None:
    owner = await connect_as("operator")
    silent = await owner.fetch(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'router'"
        " AND col_description(format('%I.%I', table_schema, table_name)::regclass, ordinal_position) IS NULL"
    )
    assert [tuple(row) for row in silent] == []
