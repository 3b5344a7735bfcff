"""Which registered providers serve a model name. Pure (DESIGN: the provider call).

An explicit `provider/model` first, then what registrations list, then `kind/model`, then the families of model names,
then what LiteLLM says; the last three only of registrations that list no models. A tenant's own go before those of all.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple
from weakref import ref

from gateway_router.configuration import Configuration, Directory, Provider, Registration
from gateway_router.environment_providers import key_variable
from gateway_router.kinds import FROM_ENVIRONMENT, KINDS, kind_name
from gateway_shared.errors import ModelNotFound, NoProviderConfigured

ALIASES: Mapping[str, str] = {"gemini": "google", "meta_llama": "meta", "llama": "meta"}
"""Other words for a provider before the slash; the first two are LiteLLM's."""

FAMILIES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"gpt-|chatgpt-|ft:gpt-|o[1-9](?:-|$)"), "openai"),
    (re.compile(r"claude-"), "anthropic"),
    (re.compile(r"gemini-|gemma-"), "google"),
    (re.compile(r"(?:meta-llama/)?llama-", re.IGNORECASE), "meta"),
)

_NOT_IN_MODEL_NAMES = re.compile(r"[^A-Za-z0-9._:/@-]")
_MAX_KNOWN = 4_096

GuessProvider = Callable[[str], tuple[str, str] | None]
"""LiteLLM's provider and model for a name, or None when it knows neither."""


class Target(NamedTuple):
    """What a breaker guards: one model at one version of a registration."""

    tenant_id: str | None
    registration: str
    version: int
    upstream_model: str


@dataclass(frozen=True, slots=True)
class Route:
    """One way to an answer: a provider with one of its keys, and what it is asked for.

    `fallback` is 0 for the model that the client named, and counts the models to fall back to.
    """

    provider: Provider
    upstream_model: str
    registration: Registration
    fallback: int = 0

    @property
    def target(self) -> Target:
        registration = self.registration
        return Target(registration.tenant_id, registration.name, registration.version, self.upstream_model)


Tier = tuple[tuple[Route, ...], ...]
"""Registrations of one priority, each with a route for each of its keys."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """All that may serve a model: tiers in their order. `without_choice`: the routes, where chance has no say.

    `has_limits`: for some of them calls are counted.
    """

    tiers: tuple[Tier, ...]
    without_choice: tuple[Route, ...] | None
    has_limits: bool = False


class RoutingTable:
    """What the calls of one tenant can be routed to under one configuration."""

    def __init__(self, configuration: Configuration, tenant_id: str | None, guess: GuessProvider) -> None:
        self._registered = configuration.visible_to(tenant_id)
        self._fallbacks = configuration.fallbacks
        self._guess = guess
        self._known: dict[str, Candidates] = {}

    def candidates(self, model: str) -> Candidates:
        """Raises NoProviderConfigured and ModelNotFound."""
        found = self._known.get(model)
        if found is None:
            found = self._work_out(model)
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[model] = found
        return found

    def _work_out(self, model: str) -> Candidates:
        if not self._registered:
            raise NoProviderConfigured
        tiers: list[Tier] = []
        targets: set[Target] = set()
        for fallback, name in enumerate((model, *self._fallbacks.get(model, ()))):
            serving = [
                tuple(Route(way, upstream_model, registration, fallback) for way in registration.ways)
                for registration, upstream_model in self._serving(name)
            ]
            new = [routes for routes in serving if routes and routes[0].target not in targets]
            targets.update(routes[0].target for routes in new)
            tiers += _by_priority(new)
        if not tiers:
            raise self._not_found(model)
        has_choice = any(len(tier) > 1 for tier in tiers)
        without_choice = None if has_choice else tuple(route for tier in tiers for route in tier[0])
        has_limits = any(_is_limited(routes[0].registration) for tier in tiers for routes in tier)
        return Candidates(tuple(tiers), without_choice, has_limits)

    def _serving(self, model: str) -> list[tuple[Registration, str]]:
        """The registrations, each with its own name for the model."""
        registered = self._registered
        prefix, rest = _parted(model)
        named = registered.get(prefix) or registered.get(ALIASES.get(prefix, prefix))
        if named is not None:
            upstream_model = _listed_as(named, rest) if named.models else named.aliases.get(rest, rest)
            return [] if upstream_model is None else [(named, upstream_model)]
        listed = [(one, found) for one in registered.values() if (found := _listed_as(one, model)) is not None]
        return _own_first(listed) or _own_first(self._implied(model))

    def _implied(self, model: str) -> Iterable[tuple[Registration, str]]:
        unlisted = [one for one in self._registered.values() if not one.models and one.ways]
        prefix, rest = _parted(model)
        kind = kind_name(ALIASES.get(prefix, prefix))
        if prefix and (of_kind := [one for one in unlisted if kind_name(one.kind) == kind]):
            return [(one, one.aliases.get(rest, rest)) for one in of_kind]
        if prefix and kind in KINDS:
            return []
        family = _family(model)
        if family is not None:
            return [(one, model) for one in unlisted if kind_name(one.kind) == family]
        litellm_name, upstream_model = self._guess(model) or ("", "")
        return [(one, upstream_model) for one in unlisted if one.ways[0].litellm_name == litellm_name]

    def _not_found(self, model: str) -> ModelNotFound:
        prefix, _ = _parted(model)
        kind = kind_name(ALIASES.get(prefix, prefix))
        missing = kind if kind in KINDS else _family(model)
        if missing is None or any(kind_name(one.kind) == missing for one in self._registered.values()):
            return ModelNotFound(f"The model `{shown(model)}` does not exist here.", param="model")
        advice = f"; {key_variable(missing)} registers it" if missing in FROM_ENVIRONMENT else ""
        return ModelNotFound(
            f"The model `{shown(model)}` is served by provider {missing}, which is not configured{advice}.",
            param="model",
        )


class RoutingTables:
    """The tables of the configuration that stands, made anew when another one does.

    They go with their configuration, not only with the next call: the keys of a deleted provider are in them.
    """

    def __init__(self, directory: Directory, guess: GuessProvider) -> None:
        self._directory = directory
        self._guess = guess
        self._made: _Tables | None = None

    def of(self, tenant_id: str) -> RoutingTable:
        current = self._directory.current
        made = self._made
        if made is None or made.configuration() is not current:
            made = self._made = self._make(current)
        return made.own.get(tenant_id, made.for_all)

    def _make(self, configuration: Configuration) -> "_Tables":
        owners = {one.tenant_id for one in configuration.registrations if one.tenant_id is not None}
        return _Tables(
            ref(configuration, self._forget),
            RoutingTable(configuration, None, self._guess),
            {owner: RoutingTable(configuration, owner, self._guess) for owner in owners},
        )

    def _forget(self, gone: "ref[Configuration]") -> None:
        if self._made is not None and self._made.configuration is gone:
            self._made = None


class _Tables(NamedTuple):
    configuration: "ref[Configuration]"
    for_all: RoutingTable
    own: Mapping[str, RoutingTable]


def shown(model: str) -> str:
    """A model name that is safe in a message and in a header: at most 128 characters of the allowed set."""
    return _NOT_IN_MODEL_NAMES.sub("?", model[:128])


def _parted(model: str) -> tuple[str, str]:
    """What stands before and after the first slash; two empty texts where there is not both."""
    prefix, _, rest = model.partition("/")
    return (prefix, rest) if prefix and rest else ("", "")


def _listed_as(registration: Registration, model: str) -> str | None:
    """What a registration that lists it calls the model."""
    alias = registration.aliases.get(model)
    if alias is not None:
        return alias
    return model if any(_pattern(name).fullmatch(model) for name in registration.models) else None


@lru_cache(maxsize=4_096)
def _pattern(name: str) -> re.Pattern[str]:
    """A model's name, in which `*` stands for anything."""
    return re.compile(".*".join(map(re.escape, name.split("*"))), re.DOTALL)


def _is_limited(registration: Registration) -> bool:
    return registration.max_open_calls is not None or registration.requests_per_minute is not None


def _own_first(found: Iterable[tuple[Registration, str]]) -> list[tuple[Registration, str]]:
    """A tenant that brings its own key wants it used: those of all are not asked beside it."""
    found = list(found)
    return [one for one in found if one[0].tenant_id is not None] or found


def _by_priority(serving: list[tuple[Route, ...]]) -> Iterator[Tier]:
    def priority(routes: tuple[Route, ...]) -> int:
        return routes[0].registration.priority

    for _, tier in groupby(sorted(serving, key=priority), priority):
        yield tuple(tier)


def _family(model: str) -> str | None:
    return next((kind for pattern, kind in FAMILIES if pattern.match(model)), None)
