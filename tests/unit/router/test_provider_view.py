"""A provider as operators see it: everything but its keys."""

import orjson

from gateway_router.breaker import BreakerPolicy
from gateway_router.configuration import Provider, Registration
from gateway_router.provider_health import ProviderHealth
from gateway_router.provider_view import environment_view, health_view, stored_view
from gateway_router.routing import Route
from gateway_shared.settings import Secret
from tests.unit.router.stored import CANARY, stored

SHORT = "sk-short"


def registration(*keys: str) -> Registration:
    ways = [
        Provider.of("openai", name="openai", api_key=Secret(key), key_number=number) for number, key in enumerate(keys)
    ]
    return Registration("openai", "openai", tuple(ways))


def test_of_a_key_there_are_the_last_four_characters_and_of_a_short_one_none() -> None:
    for view in (
        stored_view(stored("acme", CANARY, SHORT), {}),
        environment_view(registration(CANARY, SHORT), {}),
    ):
        assert view["api_keys"] == [{"last_four": CANARY[-4:]}, {"last_four": None}]
        text = orjson.dumps(view).decode()
        assert CANARY not in text
        assert SHORT not in text


def test_the_environments_say_which_variable_registers_them() -> None:
    assert environment_view(registration(CANARY), {})["environment_variable"] == "OPENAI_API_KEY"


def test_health_tells_of_breakers_and_of_keys_that_rest() -> None:
    there = registration(CANARY, SHORT)
    health = ProviderHealth(BreakerPolicy(min_failures=2, open_s=10))
    route = Route(there.ways[1], "gpt-4o", there)
    assert health_view(there, health.of(there, now_s=0)) == {
        "is_usable": True, "state": "closed", "models": [], "resting_keys": [],
    }  # fmt: skip
    for _ in range(2):
        health.fail(route, 0, "status", now_s=0)
    health.fail(route, 0, "rate_limit", now_s=0, retry_after_s=30)
    seen = health_view(there, health.of(there, now_s=4))
    assert (seen["state"], seen["models"]) == ("open", [{"model": "gpt-4o", "state": "open", "retry_in_s": 6.0}])
    assert seen["resting_keys"] == [{"key_number": 1, "model": "gpt-4o", "retry_in_s": 26.0}]
    assert health_view(there, health.of(there, now_s=11))["state"] == "half_open"


def test_one_without_a_way_to_it_is_not_usable() -> None:
    there = Registration("openai", "openai", ())
    assert health_view(there, ProviderHealth().of(there, now_s=0))["is_usable"] is False
