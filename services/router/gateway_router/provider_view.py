"""A provider as `/v1/providers` shows it. Pure: of a key there is nothing here but its last four characters."""

from collections.abc import Iterable

from gateway_router.breaker import State
from gateway_router.configuration import SIMULATOR, Registration
from gateway_router.environment_providers import key_variable
from gateway_router.provider_health import RegistrationHealth
from gateway_router.stored_provider import ProviderDefinition, StoredProvider, StoredRouting, last_four
from gateway_shared.errors import JsonObject

_WORST_FIRST: tuple[State, ...] = ("open", "half_open", "closed")

ENVIRONMENT_VERSION = 0
"""What `Configuration` has for what was never stored."""


def stored_view(provider: StoredProvider, health: JsonObject) -> JsonObject:
    return {
        **_definition(provider.definition),
        "source": "api",
        "api_keys": _keys(key.last_four for key in provider.api_keys),
        "version": provider.version,
        "created_at": int(provider.created_at.timestamp()),
        "updated_at": int(provider.updated_at.timestamp()),
        "health": health,
    }


def environment_view(registration: Registration, health: JsonObject) -> JsonObject:
    """One that the environment registered; its times are not known."""
    way = registration.ways[0]
    definition = ProviderDefinition(
        name=registration.name,
        kind=registration.kind,
        base_url=way.base_url,
        **registration.terms,
    )
    return {
        **_definition(definition),
        "source": "environment",
        "environment_variable": variable_of(registration),
        "api_keys": _keys(last_four(one.api_key) for one in registration.ways),
        "version": ENVIRONMENT_VERSION,
        "created_at": None,
        "updated_at": None,
        "health": health,
    }


def variable_of(registration: Registration) -> str:
    """The environment variable that registers it."""
    return "SIMULATOR_URL" if registration.ways[0].ledger_name == SIMULATOR else key_variable(registration.name)


def health_view(registration: Registration, health: RegistrationHealth) -> JsonObject:
    """What the worker that answers has seen; another worker, or router, may have seen something else.

    `is_usable` is false where this router cannot open its keys or may not dial its address (its `/health` says).
    """
    states = {one.state for one in health.models}
    return {
        "is_usable": bool(registration.ways),
        "state": next((state for state in _WORST_FIRST if state in states), "closed"),
        "models": [
            {"model": one.upstream_model, "state": one.state, "retry_in_s": round(one.wait_s, 1)}
            for one in health.models
        ],
        "resting_keys": [
            {"key_number": one.key_number, "model": one.upstream_model, "retry_in_s": round(one.wait_s, 1)}
            for one in health.resting_keys
        ],
    }


def list_view(version: int, providers: Iterable[JsonObject]) -> JsonObject:
    """`version` is the configuration's."""
    return {"object": "list", "version": version, "data": list(providers)}


def deleted_view(provider: StoredProvider) -> JsonObject:
    definition = provider.definition
    return {"object": "provider", "name": definition.name, "tenant_id": definition.tenant_id, "deleted": True}


def routing_view(routing: StoredRouting) -> JsonObject:
    return {"object": "routing", "fallbacks": dict(routing.fallbacks), "version": routing.version}


def etag(version: int) -> str:
    """RFC 9110, 8.8.3."""
    return f'"{version}"'


def _definition(definition: ProviderDefinition) -> JsonObject:
    return {
        "object": "provider",
        "name": definition.name,
        "kind": definition.kind,
        "base_url": definition.base_url or None,
        **definition.terms,
    }


def _keys(last_fours: Iterable[str]) -> list[JsonObject]:
    """`last_four` is null for a key so short that it would say too much."""
    return [{"last_four": shown or None} for shown in last_fours]
