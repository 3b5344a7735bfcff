"""The environment's providers and the stored ones as one configuration."""

from dataclasses import replace

from gateway_router.configuration import Configuration, Provider, Registration
from gateway_router.providers_in_force import ProvidersInForce, combine
from gateway_router.stored_provider import StoredProvider, StoredRouting
from gateway_shared.settings import Secret
from tests.unit.router.stored import CANARY, configuration, ring, stored

FROM_ENVIRONMENT = Configuration(
    registrations=tuple(
        Registration(name, name, (Provider.of(name, name=name, api_key=Secret("from-environment")),))
        for name in ("openai", "anthropic")
    )
)


def in_force(*providers: StoredProvider, allowed_hosts: tuple[str, ...] = ()) -> ProvidersInForce:
    return combine(FROM_ENVIRONMENT, configuration(*providers, version=9), ring(), allowed_hosts=allowed_hosts)


def keys_of(found: ProvidersInForce, name: str, tenant_id: str | None = None) -> list[str]:
    return [way.api_key.reveal() for way in found.configuration.visible_to(tenant_id)[name].ways]


def test_stored_providers_come_beside_those_of_the_environment() -> None:
    found = in_force(stored("acme", "key-1", "key-2", models=("acme-*",), weight=3, call_timeout_s=5.0))
    assert set(found.configuration.visible_to(None)) == {"openai", "anthropic", "acme"}
    assert found.configuration.version == 9
    acme = found.configuration.visible_to(None)["acme"]
    assert (acme.models, acme.weight, acme.call_timeout_s, acme.version) == (("acme-*",), 3, 5.0, 1)
    assert keys_of(found, "acme") == ["key-1", "key-2"]
    assert [way.key_number for way in acme.ways] == [0, 1]
    assert {way.base_url for way in acme.ways} == {"https://api.acme.example/v1"}


def test_a_stored_provider_hides_the_environments_of_its_name() -> None:
    assert keys_of(in_force(stored("openai")), "openai") == [CANARY]


def test_a_tenants_own_provider_is_there_for_that_tenant_only() -> None:
    found = in_force(stored("openai", tenant_id="acme"))
    assert keys_of(found, "openai", "acme") == [CANARY]
    assert keys_of(found, "openai", "other") == keys_of(found, "openai") == ["from-environment"]


def test_a_provider_without_a_key_has_one_way_all_the_same() -> None:
    keyless = replace(stored("ollama", base_url="http://10.0.0.1:11434/v1"), api_keys=())
    found = in_force(keyless, allowed_hosts=("10.0.0.1:11434",))
    assert keys_of(found, "ollama") == [""]


def test_two_rows_that_were_swapped_are_both_refused() -> None:
    first, second = stored("first", "key-of-first"), stored("second", "key-of-second")
    swapped = replace(first, api_keys=second.api_keys), replace(second, api_keys=first.api_keys)
    found = in_force(*swapped)
    assert set(found.configuration.visible_to(None)) == {"openai", "anthropic"}
    assert set(found.unusable) == {"first", "second"}
    assert all("does not open" in why for why in found.unusable.values())


def test_a_key_is_not_sent_to_an_address_that_was_changed_in_the_database() -> None:
    provider = stored("acme")
    moved = replace(provider, definition=replace(provider.definition, base_url="https://attacker.example/v1"))
    assert "acme" in in_force(moved).unusable


def test_what_cannot_be_used_is_not_replaced_by_another_of_its_name() -> None:
    """Or the call would go to another provider, and on another's account, than the operator said."""
    spoilt = replace(stored("openai"), version=2), replace(stored("anthropic", tenant_id="acme"), version=2)
    found = in_force(*spoilt)
    assert set(found.unusable) == {"openai", "acme/anthropic"}
    assert set(found.configuration.visible_to(None)) == {"anthropic"}
    assert set(found.configuration.visible_to("acme")) == set()


def test_one_key_of_several_that_does_not_open_spoils_all() -> None:
    provider = stored("acme", "key-1", "key-2")
    found = in_force(replace(provider, api_keys=(provider.api_keys[0], provider.api_keys[0])))
    assert set(found.unusable) == {"acme"}


def test_without_a_key_ring_only_what_has_no_key_can_be_used() -> None:
    keyless = replace(stored("open"), api_keys=())
    found = combine(FROM_ENVIRONMENT, configuration(stored("acme"), keyless), None, allowed_hosts=())
    assert set(found.configuration.visible_to(None)) == {"openai", "anthropic", "open"}
    assert "PROVIDER_KEY_RING_FILE" in found.unusable["acme"]


def test_an_address_that_this_router_may_not_reach_is_said_to_be_so() -> None:
    found = in_force(stored("local", base_url="http://10.0.0.1:8000/v1"))
    assert "EGRESS_ALLOW_HOSTS=10.0.0.1:8000" in found.unusable["local"]


def test_fallbacks_are_the_stored_ones() -> None:
    routing = StoredRouting(fallbacks={"gpt-4o": ("claude-sonnet-4-5",)}, version=3)
    found = combine(FROM_ENVIRONMENT, replace(configuration(), routing=routing), ring(), allowed_hosts=())
    assert found.configuration.fallbacks == {"gpt-4o": ("claude-sonnet-4-5",)}
