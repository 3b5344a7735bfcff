"""The long tail: a provider that LiteLLM's own client speaks to (`transports.litellm_client`).

That transport answers in OpenAI's format, so only the request differs from a pass-through: an
allow-list of fields, since LiteLLM takes `api_base`, `mock_response` and the like from a body.
"""

import orjson

from gateway_router.configuration import Provider
from gateway_router.dialects.dialect import ChatCall, UpstreamRequest
from gateway_router.dialects.openai_wire import OpenAiTranslation
from gateway_router.dialects.translated import check_media, client_object

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


class LitellmTranslation(OpenAiTranslation):
    """One call through LiteLLM's client; the upstream request's body holds the arguments for it."""

    def __init__(self, call: ChatCall, provider: Provider) -> None:
        super().__init__(call, provider)
        body = client_object(call)
        check_media(body["messages"], https_is_passed_on=False)
        arguments = {name: body[name] for name in body if name in FIELDS}
        arguments |= {"model": call.upstream_model, "stream": call.stream}
        if call.stream and provider.streams_usage:
            arguments["stream_options"] = {"include_usage": True}
        self.request = UpstreamRequest(provider.base_url, {}, orjson.dumps(arguments))
