"""The kinds of providers: how each is spoken to. Data only (docs/providers.md says what was exercised of each)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Wire = Literal["openai", "anthropic", "gemini", "litellm"]
"""How a provider is spoken to: OpenAI's own format, a translated one, or LiteLLM's whole client."""

AuthHeader = Literal["Authorization", "api-key", "x-api-key", "x-goog-api-key"]
"""Where a provider wants its key; `Authorization` as a bearer token (RFC 6750), the others as it is."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`litellm_name` is LiteLLM's word for it; `simulator_path` where our simulator plays it, None where it does not.

    `base_url` is the provider's own address, None where an operator has to give one (`needs_base_url`) or LiteLLM
    knows it. `needs_key`: without one it answers nobody. `streams_usage`: it takes `stream_options.include_usage`.
    `auth_header` is LiteLLM's business on its wire. `renamed`: OpenAI's word for a parameter and this kind's;
    None where it has none, and refuses a request that holds one that it does not need.
    `root_path` is added to an address that is only a host. `api_version`: Azure's, for a path that names a deployment.
    """

    wire: Wire
    litellm_name: str
    base_url: str | None
    simulator_path: str | None = None
    streams_usage: bool = True
    auth_header: AuthHeader = "Authorization"
    needs_key: bool = True
    renamed: tuple[tuple[str, str | None], ...] = ()
    root_path: str = ""
    api_version: str | None = None

    @property
    def needs_base_url(self) -> bool:
        return self.base_url is None and self.wire != "litellm"


_MAX_TOKENS = (("max_completion_tokens", "max_tokens"),)
"""For those who know the older name only, and refuse or overlook the newer one, which LangChain sends."""

KINDS: Mapping[str, Kind] = {
    "openai": Kind("openai", "openai", "https://api.openai.com/v1", "/openai/v1"),
    "azure": Kind("openai", "azure", None, auth_header="api-key", api_version="2024-10-21"),
    "anthropic": Kind("anthropic", "anthropic", "https://api.anthropic.com", "/anthropic", auth_header="x-api-key"),
    "google": Kind(
        "gemini", "gemini", "https://generativelanguage.googleapis.com", "/google", auth_header="x-goog-api-key"
    ),
    "meta": Kind("openai", "meta_llama", "https://api.llama.com/compat/v1", "/meta/v1"),
    "groq": Kind("openai", "groq", "https://api.groq.com/openai/v1"),
    "mistral": Kind(
        "openai",
        "mistral",
        "https://api.mistral.ai/v1",
        streams_usage=False,
        renamed=(*_MAX_TOKENS, ("seed", "random_seed"), ("user", None), ("safety_identifier", None), ("store", None)),
    ),
    "deepseek": Kind("openai", "deepseek", "https://api.deepseek.com", renamed=_MAX_TOKENS),
    "ollama": Kind("openai", "ollama", None, needs_key=False, root_path="/v1", renamed=_MAX_TOKENS),
    "vllm": Kind("openai", "hosted_vllm", None, needs_key=False, root_path="/v1"),
    "openai_compatible": Kind("openai", "openai_like", None, needs_key=False),
}
"""The kinds that this project speaks to itself; every other name is LiteLLM's (`kind_of`)."""

FROM_ENVIRONMENT = ("openai", "anthropic", "google", "meta")
"""The kinds that a key in the environment registers, under their own name."""

_WITHOUT_STREAM_OPTIONS = frozenset({"bytez", "oci"})
"""Of LiteLLM's kinds: its client refuses a call with them."""

_NAMES: Mapping[str, str] = {kind.litellm_name: name for name, kind in KINDS.items()}


def kind_of(name: str) -> Kind:
    """The kind of that name, ours or LiteLLM's word for one of ours; any other is spoken to by LiteLLM's client.

    Whether LiteLLM knows it is for whoever takes a registration to ask (`litellm_catalogue.provider_names`).
    """
    known = KINDS.get(kind_name(name))
    return known or Kind("litellm", name, None, streams_usage=name not in _WITHOUT_STREAM_OPTIONS, needs_key=False)


def kind_name(name: str) -> str:
    """Our word for a kind where it is one of ours: what its prices are called by."""
    return _NAMES.get(name, name)
