"""The configuration that stands now, as it is told of changes."""

import asyncio
import base64
import gc
from pathlib import Path

import pytest

from gateway_router.configuration import Configuration
from gateway_router.key_ring import KEY_BYTES, read_key_ring
from gateway_router.live_directory import LiveDirectory
from gateway_router.routing import RoutingTables
from gateway_shared.errors import NoProviderConfigured
from gateway_shared.settings import Secret
from tests.unit.router.stored import configuration, ring, stored


def directory() -> LiveDirectory:
    return LiveDirectory(Configuration(), ring(), ())


def write_ring(file: Path, *key_ids: str) -> None:
    """Each key is made of its own id's first letter, as `ring` makes it."""
    lines = (f"{key_id} {base64.b64encode(key_id[0].encode() * KEY_BYTES).decode()}\n" for key_id in key_ids)
    file.write_text("".join(lines))


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


def test_what_could_not_be_used_is_tried_again_with_the_ring_as_it_is_then(tmp_path: Path) -> None:
    file = tmp_path / "ring"
    write_ring(file, "old")
    live = LiveDirectory(Configuration(), read_key_ring(file), ())
    write_ring(other := tmp_path / "other", "new", "old")
    sealed_elsewhere = configuration(stored("acme", key_ring=read_key_ring(other)))
    live.take(sealed_elsewhere, "database")
    assert live.names == []
    other.replace(file)
    live.take(sealed_elsewhere, "database")
    assert live.names == ["acme"]
    assert live.facts()["configuration"]["unusable"] == {}


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
