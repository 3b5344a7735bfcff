"""`/v1/models`: what the calls of one tenant may name. Pure.

Listed are the names that registrations list, aliases among them, the models of LiteLLM's map that their patterns fit,
and for a registration that lists nothing all that the map knows of its kind. A name stands as it is where a call with
it finds that registration, else with the registration's name in front.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from gateway_router.configuration import Registration
from gateway_router.model_facts import ModelFacts, ModelMap
from gateway_router.model_name import list_names
from gateway_router.routing import Route
from gateway_shared.errors import GatewayError, JsonObject, ModelNotFound
from gateway_shared.price_provider import price_providers

Find = Callable[[str], Route]
"""The first route of a call that names a model. Raises GatewayError where it would be refused."""

Prices = Mapping[tuple[str, str], JsonObject]
"""By whose prices they are and the model's name in lower case."""

UNKNOWN = ModelFacts()


def model_list(registered: Iterable[Registration], find: Find, known: ModelMap, prices: Prices) -> JsonObject:
    """OpenAI's list. `patterns` are names that fit what a provider takes beyond the names that are known."""
    found: dict[str, JsonObject] = {}
    patterns: list[JsonObject] = []
    for registration in registered:
        for model in _names(registration, known):
            for name in (model, f"{registration.name}/{model}"):
                route = _route(find, name)
                if route is not None and route.registration is registration:
                    found[name] = _entry(name, route, known, prices)
                    break
        patterns += [{"pattern": name, "owned_by": registration.name} for name in registration.models if "*" in name]
    return {"object": "list", "data": [found[name] for name in sorted(found)], "patterns": patterns}


def one_model(name: str, find: Find, known: ModelMap, prices: Prices) -> JsonObject:
    """An entry of the list, or of what may be called beyond it. Raises GatewayError, ModelNotFound among them.

    Of a kind whose models are known, one that is not is refused: that its provider would be asked for it is no
    reason to say that it is there.
    """
    route = find(name)
    registration = route.registration
    models = known.models_of(route.provider.litellm_name)
    if models and not registration.models and route.upstream_model not in models:
        raise ModelNotFound
    return _entry(name, route, known, prices)


def _names(registration: Registration, known: ModelMap) -> Iterator[str]:
    yield from registration.aliases
    yield from (name for name in registration.models if "*" not in name)
    yield from known.models_of(registration.ways[0].litellm_name)  # those that it does not take are not found


def _route(find: Find, name: str) -> Route | None:
    try:
        return find(name)
    except GatewayError:
        return None


def _entry(name: str, route: Route, known: ModelMap, prices: Prices) -> JsonObject:
    provider, model = route.provider, route.upstream_model
    facts = known.models_of(provider.litellm_name).get(model, UNKNOWN)
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": route.registration.name,
        "root": model,
        "context_window": facts.context_window,
        "max_output_tokens": facts.max_output_tokens,
        "capabilities": facts.capabilities,
        "prices": _prices(prices, provider.price_provider, model),
    }


def _prices(prices: Prices, price_provider: str, model: str) -> JsonObject | None:
    """In billing's order: its own go before its kind's, and either's for the name in full before those without date."""
    found = (prices.get((owner, name)) for name in list_names(model) for owner in price_providers(price_provider))
    return next(filter(None, found), None)
