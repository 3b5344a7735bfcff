"""The configuration that stands now, as it is told of changes."""

import asyncio
import gc

import pytest

from gateway_router.configuration import Configuration
from gateway_router.live_directory import LiveDirectory
from gateway_router.routing import RoutingTables
from gateway_shared.errors import NoProviderConfigured
from gateway_shared.settings import Secret
from tests.unit.router.stored import configuration, ring, stored


def directory() -> LiveDirectory:
    return LiveDirectory(Configuration(), ring(), ())


def secrets_in_memory(key: str) -> int:
    gc.collect()
    return sum(isinstance(found, Secret) and found.reveal() == key for found in gc.get_objects())


def test_calls_keep_the_configuration_they_came_with() -> None:
    live = directory()
    live.take(configuration(stored("first")), "database")
    call = live.current
    live.take(configuration(version=2), "database")
    assert set(call.visible_to(None)) == {"first"}
    assert set(live.current.visible_to(None)) == set()


def test_a_deleted_providers_key_is_gone_with_the_last_call_that_uses_it() -> None:
    live, key = directory(), "sk-canary-of-a-deleted-provider"
    live.take(configuration(stored("acme", key)), "database")
    call = live.current
    live.take(configuration(version=2), "database")
    assert secrets_in_memory(key) == 1
    assert call.visible_to(None)["acme"].ways[0].api_key.reveal() == key
    del call
    assert secrets_in_memory(key) == 0


def test_a_router_without_calls_forgets_a_deleted_providers_key_too() -> None:
    live, key = directory(), "sk-canary-of-a-provider-that-was-called-once"
    tables = RoutingTables(live, guess=lambda _: None)
    live.take(configuration(stored("acme", key)), "database")
    assert tables.of("tenant").candidates("acme/some-model").tiers
    live.take(configuration(version=2), "database")
    assert secrets_in_memory(key) == 0
    with pytest.raises(NoProviderConfigured):
        tables.of("tenant").candidates("acme/some-model")


def test_a_provider_that_did_not_change_is_the_same_in_the_next_version() -> None:
    live, acme = directory(), stored("acme")
    live.take(configuration(acme), "database")
    before = live.current.visible_to(None)["acme"]
    live.take(configuration(acme, stored("other", version=2), version=2), "database")
    assert live.current.visible_to(None)["acme"].version == before.version


def test_health_says_which_version_stands_and_where_it_came_from() -> None:
    live = directory()
    assert live.facts()["configuration"] == {
        "version": 0,
        "source": "environment",
        "hears_changes": False,
        "unusable": {},
    }
    live.take(configuration(stored("acme"), version=7), "copy")
    live.note_hearing(True)
    assert live.facts() == {
        "providers": ["acme"],
        "configuration": {"version": 7, "source": "copy", "hears_changes": True, "unusable": {}},
    }


def test_health_names_what_cannot_be_used() -> None:
    live = directory()
    live.take(configuration(stored("acme", key_ring=ring("gone"))), "database")
    facts = live.facts()
    assert facts["providers"] == []
    assert "'gone'" in str(facts["configuration"])


async def test_whoever_changed_something_can_wait_for_it() -> None:
    live = directory()
    waiting = asyncio.create_task(live.reached(2, timeout_s=30))
    await asyncio.sleep(0)
    live.take(configuration(version=1), "database")
    await asyncio.sleep(0)
    assert not waiting.done()
    live.take(configuration(version=2), "database")
    assert await waiting
    assert not await live.reached(3, timeout_s=0.01)
