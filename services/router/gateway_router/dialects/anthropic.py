"""Anthropic's Messages API, translated by LiteLLM's config and stream parser (LITELLM.md)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import orjson

from gateway_router import usage
from gateway_router.configuration import Provider
from gateway_router.dialects.client_messages import Turns, plain_messages
from gateway_router.dialects.dialect import Answer, ChatCall, UpstreamRequest, said
from gateway_router.dialects.json_tool import (
    ANY_JSON,
    JsonAsText,
    ask_for_json,
    with_json_as_text,
)
from gateway_router.dialects.litellm_names import (
    ANTHROPIC_TOOL_NAME_REVERSE_MAP_KEY,
    AnthropicConfig,
    AnthropicStreamParser,
    ModelResponse,
    map_finish_reason,
)
from gateway_router.dialects.litellm_requests import mapped_params, translating_request
from gateway_router.dialects.provider_errors import refusal
from gateway_router.dialects.response_format import check_response_format
from gateway_router.dialects.thinking import check_tool_choice, fit_thinking
from gateway_router.dialects.translated import (
    Json,
    TranslatedStream,
    check_media,
    client_object,
    completion,
    delta_of,
    message_of,
)
from gateway_shared.errors import BadRequest, GatewayError, UpstreamError

NATIVE_PARAMS = ("thinking", "top_k", "cache_control")
"""Anthropic's own parameters that a client may set."""
TURNS = Turns(
    {
        "system": frozenset({"text"}),
        "user": frozenset({"text", "image_url", "file", "document"}),
        "assistant": frozenset(
            [
                *("text", "refusal", "thinking", "server_tool_use", "web_search_tool_result", "web_fetch_tool_result"),
                *("code_execution_tool_result", "bash_code_execution_tool_result"),
                *("text_editor_code_execution_tool_result", "tool_search_tool_result"),
            ]
        ),
        "tool": frozenset({"text", "image_url", "file", "tool_reference"}),
    },
    takes_empty=False,
)


class AnthropicTranslation:
    """One call to an Anthropic provider."""

    def __init__(self, call: ChatCall, provider: Provider) -> None:
        self._call = replace(call, rest=b"")  # as long as an answer streams it is not wanted
        self._secret = provider.api_key.reveal()
        self._litellm_params: Json = {}
        self._gives_json_by_tool = False
        body = client_object(call)
        _check_params(body)
        check_media(body["messages"], https_is_passed_on=True)
        with translating_request():
            request, headers = self._translate(body, provider)
            if call.stream:
                request["stream"] = True
            written = orjson.dumps(request)
        headers = {name: str(value) for name, value in headers.items()}
        path = "/messages" if provider.base_url.endswith("/v1") else "/v1/messages"
        self.request = UpstreamRequest(provider.base_url + path, headers, written)

    def _translate(self, body: Json, provider: Provider) -> tuple[Json, Json]:
        config, model, messages = AnthropicConfig(), self._call.upstream_model, plain_messages(body["messages"], TURNS)
        allowed = {*config.get_supported_openai_params(model), *NATIVE_PARAMS} - {"stream", "extra_headers"}
        params = {name: body[name] for name in body if name in allowed and body[name] is not None}
        json_tool = _json_tool(config, params.get("response_format", {}), model)
        if json_tool:
            del params["response_format"]
        optional = mapped_params(config, params, model)
        optional.pop("json_mode", None)
        limit = optional["max_tokens"] if params.keys() & {"max_tokens", "max_completion_tokens"} else None
        if limit is None:
            optional.pop("max_tokens", None)  # where Claude thinks it is far below the model's own
        if "tool_choice" in params and "tool_choice" not in optional:
            raise _unsupported("tool_choice")
        if "top_k" in params:
            optional["top_k"] = params["top_k"]
        headers = config.validate_environment(
            {}, model, messages, optional, self._litellm_params, self._secret, provider.base_url
        )
        request: Json = config.transform_request(model, messages, optional, self._litellm_params, headers)
        if "output_format" in request:  # its name in the beta; it has moved
            request["output_config"] = {**request.get("output_config", {}), "format": request.pop("output_format")}
        fit_thinking(request, limit=limit, by_effort="reasoning_effort" in params)
        if json_tool:
            can_force = not config.forced_tool_use_unsupported(model)
            self._gives_json_by_tool = ask_for_json(
                request, json_tool, tools_offered=bool(params.get("tools")), can_force=can_force
            )
        check_tool_choice(request)
        return request, headers

    @property
    def _tool_names(self) -> dict[str, str]:
        names: dict[str, str] = self._litellm_params.get(ANTHROPIC_TOOL_NAME_REVERSE_MAP_KEY) or {}
        return names

    def answer(self, body: bytes, _headers: Mapping[str, str], /) -> Answer:
        message = _message_object(body, self._secret)
        counts = message.get("usage")
        used, tier = None, None
        if isinstance(counts, dict):
            used, tier = usage.from_anthropic(counts), said(counts.get("service_tier"))
        served = said(message["model"])
        # usage is ours; what is left keeps LiteLLM from counting thoughts with a tokenizer
        message["usage"] = {"output_tokens_details": {"thinking_tokens": 0}}
        try:
            if self._gives_json_by_tool:
                with_json_as_text(message)
            response = AnthropicConfig().transform_parsed_response(
                completion_response=message,
                raw_response=httpx.Response(200),
                model_response=ModelResponse(),
                json_mode=False,
                tool_name_reverse_map=self._tool_names,
            )
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise UpstreamError("The provider's answer does not have the form of its API.") from error
        choice = response.choices[0]
        answer = completion(
            self._call,
            completion_id=message.get("id") or self._call.completion_id,
            model=served or self._call.upstream_model,
            choices=[
                {
                    "index": 0,
                    "message": message_of(choice.message),
                    "logprobs": None,
                    "finish_reason": choice.finish_reason,
                }
            ],
            usage=usage.to_openai(used.tokens) if used else None,
        )
        return Answer(orjson.dumps(answer), used, served, tier)

    def stream(self, _headers: Mapping[str, str], /) -> "AnthropicStream":
        parser = AnthropicStreamParser(None, sync_stream=False, json_mode=False, tool_name_reverse_map=self._tool_names)
        return AnthropicStream(self._call, self._secret, parser, JsonAsText() if self._gives_json_by_tool else None)


class AnthropicStream(TranslatedStream):
    """`message_start`, blocks, `message_delta`, `message_stop`."""

    def __init__(self, call: ChatCall, secret: str, parser: Any, json_as_text: JsonAsText | None) -> None:
        super().__init__(call, secret)
        self._parser = parser
        self._json_as_text = json_as_text
        self._used: Json = {}

    def event(self, event: Json) -> bytes:
        kind = event.get("type")
        if kind == "ping":
            return b""
        if kind == "message_stop":
            self.progress.done = True
            return b""
        if kind == "message_start":
            return self._start(event["message"])
        # cumulative; the parser would count thoughts with a tokenizer, so it does not see it
        self._note_usage(event.pop("usage", None))
        told = self._json_as_text.event(event) if self._json_as_text else event
        if told is None:
            return b""
        event = told
        [choice] = self._parser.chunk_parser(event).choices
        self._parser.reasoning_content_chunks.clear()  # kept by the parser for a count that is ours
        written = self._delta(delta_of(choice.delta))
        if kind == "message_delta" and event.get("delta", {}).get("stop_reason"):
            self._chunks.finish(choice.finish_reason or map_finish_reason(event["delta"]["stop_reason"]))
            self.progress.finished = True
        return written

    def _start(self, message: Json) -> bytes:
        self._chunks.completion_id = message.get("id") or self._chunks.completion_id
        self.progress.model_served = said(message.get("model"))
        self._chunks.model = self.progress.model_served or self._chunks.model
        self._note_usage(message.get("usage"))
        return self._chunks.delta({})

    def _note_usage(self, used: object) -> None:
        if isinstance(used, dict):
            self._used.update({name: value for name, value in used.items() if value is not None})
            self.progress.usage = usage.from_anthropic(self._used)
            self.progress.service_tier = said(self._used.get("service_tier"))


def _check_params(body: Json) -> None:
    """Raises BadRequest for what would change the answer's meaning and has no counterpart."""
    if (body.get("n") or 1) != 1:
        raise _unsupported("n")
    if body.get("modalities") not in (None, [], ["text"]):
        raise BadRequest("This model's provider answers in text only.", param="modalities")
    for name in ("logprobs", "audio"):
        if body.get(name):
            raise _unsupported(name)
    if body.get("functions"):
        raise BadRequest("functions is not supported by this model's provider: use tools.", param="functions")
    check_response_format(body)


def _json_tool(config: Any, wanted: Json, model: str) -> Json | None:
    """The tool whose arguments are the answer, where the model has no structured output for what is wanted."""
    if wanted.get("type") == "json_object" and "response_schema" not in wanted:
        return ANY_JSON
    tools = mapped_params(config, {"response_format": wanted}, model).get("tools") if wanted else None
    return {**ANY_JSON, "input_schema": tools[0]["input_schema"]} if tools else None


def _unsupported(name: str) -> BadRequest:
    return BadRequest(f"{name} is not supported by this model's provider.", param=name)


def _message_object(body: bytes, secret: str) -> Json:
    """Raises the provider's error for a 200 that is one, and UpstreamError for what is no message."""
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UpstreamError("The provider's answer is not JSON.") from error
    if isinstance(message, dict) and "error" in message:
        failure: GatewayError = refusal(502, body, retry_after=None, secret=secret)
        raise failure
    if not isinstance(message, dict) or not isinstance(message.get("content"), list) or "model" not in message:
        raise UpstreamError("The provider's answer is not a message.")
    return message
