"""The order in which a call's candidates are tried, and what is left out."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from random import Random

import pytest

from gateway_router.breaker import BreakerPolicy
from gateway_router.configuration import Configuration, Registration
from gateway_router.plan import make_plan
from gateway_router.provider_health import MAX_KEPT, SOUND, ProviderHealth
from gateway_router.provider_traffic import ProviderTraffic
from gateway_router.retry_policy import Trouble
from gateway_router.routing import Candidates, Route, RoutingTable
from gateway_shared.errors import CircuitOpen, ServiceUnavailable
from tests.unit.router.registered import registered

POLICY = BreakerPolicy(min_failures=2, open_s=10)


def candidates(*registrations: Registration, fallbacks: Mapping[str, tuple[str, ...]] | None = None) -> Candidates:
    configuration = Configuration(1, registrations, fallbacks or {})
    return RoutingTable(configuration, None, lambda model: None).candidates("m")


def listing(name: str, *models: str, keys: int = 1, priority: int = 0, weight: int = 1) -> Registration:
    models = models or ("m",)
    return registered(name, "vllm", keys=keys, models=models, priority=priority, weight=weight)


def order(found: Candidates, health: ProviderHealth | None = None, *, now_s: float = 0, seed: int = 1) -> list[str]:
    plan = make_plan(
        found, health or ProviderHealth(POLICY), ProviderTraffic(), now_s=now_s, chance=Random(seed).random
    )
    return [f"{route.provider.name}{route.provider.key_number}" for route in plan]


def struck(
    found: Candidates,
    name: str,
    trouble: Trouble,
    *,
    times: int = 1,
    retry_after_s: float | None = None,
    key_number: int = 0,
) -> ProviderHealth:
    """What is known after a provider failed at 0 s."""
    health = ProviderHealth(POLICY)
    strike(health, found, name, trouble, times=times, retry_after_s=retry_after_s, key_number=key_number)
    return health


def strike(
    health: ProviderHealth,
    found: Candidates,
    name: str,
    trouble: Trouble,
    *,
    times: int = 1,
    retry_after_s: float | None = None,
    key_number: int = 0,
) -> None:
    route = route_of(found, name, key_number)
    for _ in range(times):
        permit = health.begin(route, now_s=0)
        assert permit is not None
        health.fail(route, permit, trouble, now_s=0, retry_after_s=retry_after_s)


def route_of(found: Candidates, name: str, key_number: int = 0) -> Route:
    routes = [route for tier in found.tiers for keys in tier for route in keys]
    return next(one for one in routes if (one.provider.name, one.provider.key_number) == (name, key_number))


def test_priorities_first_then_fallback_models_and_each_key_of_a_registration_in_turn() -> None:
    fallbacks = {"m": ("n",)}
    found = candidates(listing("c", "n"), listing("b", priority=2), listing("a", keys=2), fallbacks=fallbacks)
    assert order(found) == ["a0", "a1", "b0", "c0"]
    assert found.without_choice is not None


def test_among_equals_chance_decides_by_weight() -> None:
    found = candidates(listing("heavy", weight=3), listing("light", weight=1), listing("never", weight=0))
    chance = Random(7).random
    plans = [make_plan(found, ProviderHealth(), ProviderTraffic(), now_s=0, chance=chance) for _ in range(4_000)]
    firsts = Counter(plan[0].provider.name for plan in plans)
    assert firsts["heavy"] == pytest.approx(3_000, abs=120)
    assert firsts["light"] == 4_000 - firsts["heavy"]
    assert {plan[2].provider.name for plan in plans} == {"never"}


def test_an_open_breaker_leaves_its_registration_out_until_it_may_be_tried_again() -> None:
    found = candidates(listing("a", keys=2), listing("b", priority=1))
    health = struck(found, "a", "status", times=2)
    assert order(found, health) == ["b0"]
    assert order(found, health, now_s=10) == ["a0", "a1", "b0"]


def test_when_all_breakers_are_open_the_call_is_refused_with_the_soonest_return() -> None:
    found = candidates(listing("a"), listing("b", priority=1))
    health = struck(found, "a", "cut", times=2)
    strike(health, found, "b", "not_reached", times=2)
    with pytest.raises(CircuitOpen) as caught:
        order(found, health, now_s=4)
    assert (caught.value.status, caught.value.code, caught.value.retry_after_s) == (503, "circuit_open", 6)


def test_a_429_opens_no_breaker_but_others_are_asked_first_for_as_long_as_it_says() -> None:
    found = candidates(listing("a"), listing("b", priority=1))
    health = struck(found, "a", "rate_limit", times=50, retry_after_s=30)
    assert order(found, health, now_s=29.9) == ["b0", "a0"]
    assert order(found, health, now_s=30) == ["a0", "b0"]
    assert order(candidates(listing("a")), health) == ["a0"], "alone it is asked all the same"


def test_a_429_is_of_one_key_and_one_model() -> None:
    found = candidates(listing("a", "*", keys=2))
    health = struck(found, "a", "rate_limit")
    assert order(found, health) == ["a1", "a0"]
    other = RoutingTable(Configuration(1, (listing("a", "*", keys=2),)), None, lambda model: None).candidates("other")
    assert order(other, health) == ["a0", "a1"]


def test_a_refused_key_is_asked_last_for_every_model() -> None:
    found = candidates(listing("a", "*", keys=2))
    health = struck(found, "a", "credential")
    other = RoutingTable(Configuration(1, (listing("a", "*", keys=2),)), None, lambda model: None).candidates("other")
    assert order(other, health, now_s=59) == ["a1", "a0"]
    assert order(other, health, now_s=61) == ["a0", "a1"]


@pytest.mark.parametrize("trouble", ["rate_limit", "credential", "kept_connection"])
def test_what_is_no_failure_of_the_provider_never_opens_a_breaker(trouble: Trouble) -> None:
    found = candidates(listing("a"))
    assert order(found, struck(found, "a", trouble, times=100)) == ["a0"]


def test_a_changed_registration_starts_anew() -> None:
    health = struck(candidates(listing("a")), "a", "status", times=2)
    changed = registered("a", "vllm", models=("m",), version=2)
    assert order(candidates(changed), health) == ["a0"]


def test_what_is_known_of_a_registration_can_be_told() -> None:
    one = listing("a", keys=2)
    found = candidates(one)
    health = struck(found, "a", "status", times=2)
    route = route_of(found, "a", 1)
    health.fail(route, SOUND, "credential", now_s=0)
    known = health.of(one, now_s=1)
    assert [(model.upstream_model, model.state, model.wait_s) for model in known.models] == [("m", "open", 9)]
    assert [(key.key_number, key.upstream_model, key.wait_s) for key in known.resting_keys] == [(1, None, 59)]
    assert health.of(listing("b"), now_s=1).models == ()
    assert health.open_models("a", now_s=1) == 1


def test_health_returns_to_sound_when_all_is_over() -> None:
    found = candidates(listing("a"))
    health = struck(found, "a", "status", times=2)
    route = route_of(found, "a")
    permit = health.begin(route, now_s=10)
    assert permit is not None
    health.succeed(route, permit, now_s=11)
    assert health.is_sound


def test_models_made_up_by_clients_do_not_fill_the_memory() -> None:
    one = registered("a", "vllm")
    health = ProviderHealth(POLICY)
    for number in range(2 * MAX_KEPT):
        health.fail(Route(one.ways[0], f"m{number}", one), SOUND, "status", now_s=0)
        health.fail(Route(one.ways[0], f"m{number}", one), SOUND, "rate_limit", now_s=0)
    assert len(health.of(one, now_s=0).models) <= MAX_KEPT


def test_who_has_as_many_calls_as_it_may_is_left_out() -> None:
    busy = replace(listing("a"), max_open_calls=1)
    found, traffic = candidates(busy, listing("b", priority=1)), ProviderTraffic()
    traffic.begin(busy, now_s=0)
    plan = make_plan(found, ProviderHealth(), traffic, now_s=0, chance=Random(1).random)
    assert [route.provider.name for route in plan] == ["b"]
    with pytest.raises(ServiceUnavailable) as caught:
        make_plan(candidates(busy), ProviderHealth(), traffic, now_s=0, chance=Random(1).random)
    assert (caught.value.code, caught.value.retry_after_s) == ("overloaded", 1)
