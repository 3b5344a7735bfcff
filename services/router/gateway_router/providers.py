"""The providers that this router may call, read from its settings. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from gateway_router.base_url import BaseUrlRefused, check_base_url
from gateway_router.settings import RouterSettings
from gateway_shared.settings import Secret, SettingsInvalid

Wire = Literal["openai", "anthropic", "gemini", "litellm"]
"""How a provider is spoken to: OpenAI's own format, a translated one, or LiteLLM's whole client."""

SIMULATOR = "simulator"


@dataclass(frozen=True, slots=True)
class Provider:
    """One registered provider.

    `name` is what clients write before the slash; `ledger_name` is what the ledger calls it, and
    `price_provider` whose prices apply (the two differ for the simulator). `litellm_name` is LiteLLM's
    word for it. `streams_usage`: it takes `stream_options.include_usage`.
    """

    name: str
    wire: Wire
    base_url: str
    api_key: Secret
    ledger_name: str
    price_provider: str
    litellm_name: str
    streams_usage: bool = True


@dataclass(frozen=True, slots=True)
class _Kind:
    wire: Wire
    litellm_name: str
    simulator_path: str


KINDS: Mapping[str, _Kind] = {
    "openai": _Kind("openai", "openai", "/openai/v1"),
    "anthropic": _Kind("anthropic", "anthropic", "/anthropic"),
    "google": _Kind("gemini", "gemini", "/google"),
    "meta": _Kind("openai", "meta_llama", "/meta/v1"),
}


def key_variable(name: str) -> str:
    """The environment variable that registers provider `name`."""
    return f"{name.upper()}_API_KEY"


def registered_providers(settings: RouterSettings) -> dict[str, Provider]:
    """Providers by name. Raises SettingsInvalid with every base URL that is refused.

    Without any provider key but with a simulator's URL, all of them are registered there.
    """
    found = list(_from_keys(settings))
    if not found and settings.simulator_url:
        found = list(_at_simulator(settings.simulator_url.rstrip("/")))
    problems: list[str] = []
    for provider in found:
        try:
            check_base_url(provider.base_url, allowed_hosts=settings.egress_allow_hosts)
        except BaseUrlRefused as error:
            variable = "SIMULATOR_URL" if provider.ledger_name == SIMULATOR else f"{provider.name.upper()}_BASE_URL"
            problems.append(f"{variable} {_shown(provider.base_url)!r} is refused: {error}")
    if problems:
        raise SettingsInvalid(list(dict.fromkeys(problems)))
    return {provider.name: provider for provider in found}


def _from_keys(settings: RouterSettings) -> Iterator[Provider]:
    for name, kind in KINDS.items():
        key: Secret | None = getattr(settings, f"{name}_api_key")
        if key is not None:
            url: str = getattr(settings, f"{name}_base_url")
            yield Provider(name, kind.wire, url.rstrip("/"), key, name, name, kind.litellm_name)


def _at_simulator(url: str) -> Iterator[Provider]:
    for name, kind in KINDS.items():
        base_url = url + kind.simulator_path
        yield Provider(name, kind.wire, base_url, Secret("simulated"), SIMULATOR, name, kind.litellm_name)


def _shown(url: str) -> str:
    """The URL for a message, without a password that may be in it."""
    try:
        return urlsplit(url)._replace(netloc=urlsplit(url).netloc.rpartition("@")[2]).geturl()
    except ValueError:
        return "(not a URL)"
