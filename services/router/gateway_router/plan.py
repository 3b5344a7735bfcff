"""The routing plan of one call: all that may serve it, in the order in which they are tried. Pure.

By priority, among equals by chance and weight; those that rest (cool-downs) come last, after the fallback models; those
whose breaker is open, or that have as many calls as they may, are left out.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from gateway_router.configuration import Registration
from gateway_router.routing import Candidates, Route
from gateway_shared.errors import CircuitOpen, ServiceUnavailable


class Health(Protocol):
    """What a plan needs of `gateway_router.provider_health.ProviderHealth`."""

    @property
    def is_sound(self) -> bool: ...
    def wait_s(self, route: Route, *, now_s: float) -> float: ...
    def is_resting(self, route: Route, *, now_s: float) -> bool: ...


class Traffic(Protocol):
    """What a plan needs of `gateway_router.provider_traffic.ProviderTraffic`."""

    def wait_s(self, registration: Registration, *, now_s: float) -> float: ...


def make_plan(
    candidates: Candidates, health: Health, traffic: Traffic, *, now_s: float, chance: Callable[[], float]
) -> tuple[Route, ...]:
    """Raises CircuitOpen and ServiceUnavailable when no candidate may be asked now.

    `chance` gives numbers from 0 up to 1.
    """
    routes = candidates.without_choice or tuple(_in_order(candidates, chance))
    if candidates.has_limits:
        routes = _not_busy(routes, traffic, now_s)
    if health.is_sound:
        return routes
    waits_s = [health.wait_s(route, now_s=now_s) for route in routes]
    admitted = [route for route, wait_s in zip(routes, waits_s, strict=True) if wait_s <= 0]
    if not admitted:
        raise CircuitOpen(retry_after_s=max(1.0, min(waits_s)))
    return tuple(sorted(admitted, key=lambda route: health.is_resting(route, now_s=now_s)))


def _not_busy(routes: tuple[Route, ...], traffic: Traffic, now_s: float) -> tuple[Route, ...]:
    waits_s = [traffic.wait_s(route.registration, now_s=now_s) for route in routes]
    found = tuple(route for route, wait_s in zip(routes, waits_s, strict=True) if wait_s <= 0)
    if not found:
        raise ServiceUnavailable(
            "The providers of this model have as many calls as they may.", retry_after_s=max(1.0, min(waits_s))
        )
    return found


def _in_order(candidates: Candidates, chance: Callable[[], float]) -> Iterator[Route]:
    for tier in candidates.tiers:
        for routes in tier if len(tier) == 1 else _drawn(tier, chance):
            yield from routes


def _drawn(tier: Sequence[tuple[Route, ...]], chance: Callable[[], float]) -> list[tuple[Route, ...]]:
    """By weight, without replacement (Efraimidis and Spirakis, 2006); a weight of 0 comes last."""

    def draw(routes: tuple[Route, ...]) -> float:
        weight = routes[0].registration.weight
        return chance() ** (1 / weight) if weight > 0 else -1.0

    return sorted(tier, key=draw, reverse=True)
