"""What LiteLLM's map knows of models: how long a context, how long an answer, and what they can do. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

CHAT_MODES = frozenset({"chat", "responses"})
_CAPABILITIES = {
    "supports_audio_input": "audio_input",
    "supports_audio_output": "audio_output",
    "supports_function_calling": "tools",
    "supports_parallel_function_calling": "parallel_tool_calls",
    "supports_pdf_input": "pdf_input",
    "supports_prompt_caching": "prompt_caching",
    "supports_reasoning": "reasoning",
    "supports_response_schema": "structured_output",
    "supports_vision": "vision",
    "supports_web_search": "web_search",
}

CostMap = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Sizes in tokens, None where the map does not say; `capabilities` is None where it says nothing at all."""

    context_window: int | None = None
    max_output_tokens: int | None = None
    capabilities: tuple[str, ...] | None = None


class ModelMap:
    """The chat models of LiteLLM's map, by LiteLLM's word for the provider and by the provider's for the model."""

    def __init__(self, cost_map: CostMap) -> None:
        self._by_provider: defaultdict[str, dict[str, ModelFacts]] = defaultdict(dict)
        for name, facts in cost_map.items():
            if facts.get("mode") in CHAT_MODES:
                provider = str(facts.get("litellm_provider")).removesuffix("_chat")
                bare = name.removeprefix(f"{facts.get('litellm_provider')}/").removeprefix(f"{provider}/")
                self._by_provider[provider][bare] = _facts(facts)

    def models_of(self, litellm_name: str) -> Mapping[str, ModelFacts]:
        return self._by_provider.get(litellm_name.removesuffix("_chat"), {})


def _facts(said: Mapping[str, object]) -> ModelFacts:
    return ModelFacts(
        _tokens(said.get("max_input_tokens")),
        _tokens(said.get("max_output_tokens")),
        tuple(sorted(ours for theirs, ours in _CAPABILITIES.items() if said.get(theirs) is True)),
    )


def _tokens(value: object) -> int | None:
    return value if type(value) is int and value > 0 else None
