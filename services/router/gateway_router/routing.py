"""Which provider serves a model name. Pure (DESIGN: the provider call).

An explicit `provider/model` first, then the families of model names, then what LiteLLM says; each
counts only for a registered provider.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway_router.configuration import Provider
from gateway_router.environment_providers import key_variable
from gateway_router.kinds import KINDS
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

GuessProvider = Callable[[str], tuple[str, str] | None]
"""LiteLLM's provider and model for a name, or None when it knows neither."""


@dataclass(slots=True)
class Route:
    """`upstream_model` is what the provider is asked for."""

    provider: Provider
    upstream_model: str


def route(model: str, providers: Mapping[str, Provider], guess: GuessProvider) -> Route:
    """Raises NoProviderConfigured and ModelNotFound."""
    if not providers:
        raise NoProviderConfigured
    prefix, slash, rest = model.partition("/")
    name = ALIASES.get(prefix, prefix)
    if slash and rest and (name in KINDS or name in providers):
        return Route(_registered(name, providers, model), rest)
    for pattern, family in FAMILIES:
        if pattern.match(model):
            return Route(_registered(family, providers, model), model)
    return _guessed(model, providers, guess)


def _registered(name: str, providers: Mapping[str, Provider], model: str) -> Provider:
    if name in providers:
        return providers[name]
    raise ModelNotFound(
        f"The model `{shown(model)}` is served by provider {name}, which is not configured;"
        f" {key_variable(name)} registers it.",
        param="model",
    )


def _guessed(model: str, providers: Mapping[str, Provider], guess: GuessProvider) -> Route:
    guessed = guess(model)
    if guessed is not None:
        litellm_name, upstream_model = guessed
        for provider in providers.values():
            if provider.litellm_name == litellm_name:
                return Route(provider, upstream_model)
    raise ModelNotFound(f"The model `{shown(model)}` does not exist here.", param="model")


def shown(model: str) -> str:
    """A model name that is safe in a message and in a header: at most 128 characters of the allowed set."""
    return _NOT_IN_MODEL_NAMES.sub("?", model[:128])
