"""The long tail: a provider that LiteLLM's own client speaks to (`transports.litellm_client`).

That transport answers in OpenAI's format, so only the request differs from a pass-through: an
allow-list of fields, since LiteLLM takes `api_base`, `mock_response` and the like from a body.
"""

import orjson

from gateway_router.configuration import Provider
from gateway_router.dialects.dialect import ChatCall, UpstreamRequest
from gateway_router.dialects.litellm_names import litellm
from gateway_router.dialects.openai_wire import OpenAiTranslation
from gateway_router.dialects.translated import check_media, client_object
from gateway_shared.errors import BadRequest

FIELDS = frozenset(
    [
        "messages",
        "temperature",
        "top_p",
        "n",
        "stop",
        "max_tokens",
        "max_completion_tokens",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "user",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "seed",
        "logprobs",
        "top_logprobs",
        "reasoning_effort",
        "thinking",
        "service_tier",
        "modalities",
        "prediction",
        "audio",
        "web_search_options",
        "safety_identifier",
        "top_k",
    ]
)


_TAKEN_BY_A_PART = ("replicate", "clarifai")
_TAKEN_WHOLE = {
    "replicate": frozenset(litellm.replicate_models),
    "clarifai": frozenset(litellm.clarifai_models),
    "petals": frozenset(litellm.petals_models),
    "snowflake": frozenset(litellm.snowflake_models),
}
"""Models that `litellm.completion` takes for a provider's, whatever provider it was told; of some a part of the name
is enough."""


class LitellmTranslation(OpenAiTranslation):
    """One call through LiteLLM's client; the upstream request's body holds the arguments for it."""

    def __init__(self, call: ChatCall, provider: Provider) -> None:
        super().__init__(call, provider)
        _check_model(call.upstream_model, provider.litellm_name)
        body = client_object(call)
        check_media(body["messages"], https_is_passed_on=False)
        arguments = {name: body[name] for name in body if name in FIELDS}
        arguments |= {"model": call.upstream_model, "stream": call.stream}
        if call.stream and provider.streams_usage:
            arguments["stream_options"] = {"include_usage": True}
        self.request = UpstreamRequest(provider.base_url, {}, orjson.dumps(arguments))


def _check_model(model: str, litellm_name: str) -> None:
    """Raises BadRequest for a name by which LiteLLM would call somebody else than the provider, with its key.

    It takes some names for another provider's, and some for an address.
    """
    taken_for = {other for other, models in _TAKEN_WHOLE.items() if model in models}
    taken_for |= {other for other in _TAKEN_BY_A_PART if other in model}
    if taken_for - {litellm_name}:
        raise BadRequest("A model of this name cannot be called through this provider.", param="model")
    if "://" in model or not model.isprintable() or "@" in model.partition("/")[0]:
        raise BadRequest("This is no name of a model.", param="model")
