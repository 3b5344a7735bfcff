"""The kinds of providers: how each is spoken to. Data only (docs/providers.md says what was exercised of each)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Wire = Literal["openai", "anthropic", "gemini", "litellm"]
"""How a provider is spoken to: OpenAI's own format, a translated one, or LiteLLM's whole client."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`litellm_name` is LiteLLM's word for it; `simulator_path` where our simulator plays it, None where it does not.

    `base_url` is the provider's own address, None where an operator has to give one. `streams_usage`: it takes
    `stream_options.include_usage`.
    """

    wire: Wire
    litellm_name: str
    base_url: str | None
    simulator_path: str | None = None
    streams_usage: bool = True


KINDS: Mapping[str, Kind] = {
    "openai": Kind("openai", "openai", "https://api.openai.com/v1", "/openai/v1"),
    "anthropic": Kind("anthropic", "anthropic", "https://api.anthropic.com", "/anthropic"),
    "google": Kind("gemini", "gemini", "https://generativelanguage.googleapis.com", "/google"),
    "meta": Kind("openai", "meta_llama", "https://api.llama.com/compat/v1", "/meta/v1"),
}

FROM_ENVIRONMENT = ("openai", "anthropic", "google", "meta")
"""The kinds that a key in the environment registers, under their own name."""
