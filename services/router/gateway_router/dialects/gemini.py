"""Google's Gemini API (generateContent), translated by LiteLLM's config and stream parser (LITELLM.md)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from gateway_router import usage
from gateway_router.configuration import Provider
from gateway_router.dialects.client_messages import Turns, plain_messages
from gateway_router.dialects.dialect import Answer, ChatCall, UpstreamRequest, said
from gateway_router.dialects.gemini_params import plain_params
from gateway_router.dialects.gemini_turns import calls_by_turn, restore_calls
from gateway_router.dialects.litellm_names import (
    GeminiStreamParser,
    GoogleAIStudioGeminiConfig,
    ModelResponse,
    NoLogging,
    VertexAIError,
    gemini_request_body,
)
from gateway_router.dialects.litellm_requests import mapped_params, translating_request
from gateway_router.dialects.provider_errors import refusal
from gateway_router.dialects.response_format import check_response_format
from gateway_router.dialects.translated import (
    Json,
    TranslatedStream,
    check_media,
    client_object,
    completion,
    delta_of,
    message_of,
)
from gateway_shared.errors import UpstreamError

NATIVE_PARAMS = ("thinking", "top_k")
"""Gemini's own parameters that a client may set, by LiteLLM's names."""
TURNS = Turns(
    {
        "system": frozenset({"text"}),
        "user": frozenset({"text", "image_url", "input_audio", "file"}),
        "assistant": frozenset({"text", "refusal", "thinking"}),
        "tool": frozenset({"text", "image", "image_url", "input_image", "file", "input_file"}),
    },
    takes_empty=True,
)


class GeminiTranslation:
    """One call to a Gemini provider."""

    def __init__(self, call: ChatCall, provider: Provider) -> None:
        self._call = replace(call, rest=b"")  # as long as an answer streams it is not wanted
        self._secret = provider.api_key.reveal()
        body = client_object(call)
        check_response_format(body)
        check_media(body["messages"], https_is_passed_on=False)
        with translating_request():
            request, self._optional = self._translate(body)
            written = orjson.dumps(request)
        method = "streamGenerateContent?alt=sse" if call.stream else "generateContent"
        base_url = provider.base_url
        if not base_url.endswith(("/v1", "/v1beta")):
            base_url += "/v1beta"
        headers = {"x-goog-api-key": self._secret, "Content-Type": "application/json"}
        self.request = UpstreamRequest(
            f"{base_url}/models/{quote(call.upstream_model, safe='')}:{method}", headers, written
        )

    def _translate(self, body: Json) -> tuple[Json, Json]:
        config, model = GoogleAIStudioGeminiConfig(), self._call.upstream_model
        messages = plain_messages(body["messages"], TURNS)
        calls = calls_by_turn(messages)
        allowed = {*config.get_supported_openai_params(model), *NATIVE_PARAMS, "top_logprobs"} - {"stream"}
        params = {name: body[name] for name in body if name in allowed and body[name] is not None}
        optional = mapped_params(config, plain_params(params), model)
        kept = dict(optional)
        request: Any = gemini_request_body(
            messages=messages,
            model=model,
            optional_params=optional,
            custom_llm_provider="gemini",
            litellm_params={},
            cached_content=None,
        )
        restore_calls(request["contents"], calls)
        return dict(request), kept

    def answer(self, body: bytes, headers: Mapping[str, str], /) -> Answer:
        content = self._content_object(body)
        counts = content.get("usageMetadata")
        used = usage.from_gemini(counts) if isinstance(counts, dict) else None
        content.setdefault("usageMetadata", {})
        try:
            response = GoogleAIStudioGeminiConfig().transform_google_generate_content_to_openai_model_response(
                content, ModelResponse(), self._call.upstream_model, NoLogging(self._optional), httpx.Response(200)
            )
            choices = [
                {
                    "index": choice.index,
                    "message": message_of(choice.message),
                    "logprobs": choice.logprobs.model_dump() if getattr(choice, "logprobs", None) else None,
                    "finish_reason": choice.finish_reason,
                }
                for choice in response.choices
            ]
        except (VertexAIError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise UpstreamError("The provider's answer does not have the form of its API.") from error
        if not choices:
            raise UpstreamError("The provider's answer has no candidates.")
        served = said(content.get("modelVersion"))
        answer = completion(
            self._call,
            completion_id=content.get("responseId") or self._call.completion_id,
            model=served or self._call.upstream_model,
            choices=choices,
            usage=usage.to_openai(used.tokens) if used else None,
        )
        return Answer(orjson.dumps(answer), used, served, _service_tier(counts, headers))

    def stream(self, headers: Mapping[str, str], /) -> "GeminiStream":
        parser = GeminiStreamParser(None, sync_stream=False, logging_obj=NoLogging(self._optional))
        return GeminiStream(self._call, self._secret, parser, headers)

    def _content_object(self, body: bytes) -> Json:
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise UpstreamError("The provider's answer is not JSON.") from error
        if not isinstance(content, dict):
            raise UpstreamError("The provider's answer is not an object.")
        if "error" in content:
            raise refusal(502, body, retry_after=None, secret=self._secret)
        return content


class GeminiStream(TranslatedStream):
    """Each event is a piece of an answer; the last holds the finish reason, and nothing says that none follows."""

    def __init__(self, call: ChatCall, secret: str, parser: Any, headers: Mapping[str, str]) -> None:
        super().__init__(call, secret)
        self._parser = parser
        self._headers = headers

    def event(self, event: Json) -> bytes:
        self._note(event)
        # usage is ours
        parsed = self._parser.chunk_parser({name: event[name] for name in event if name != "usageMetadata"})
        finished = _finished_candidates(event)
        written = []
        for choice in parsed.choices if parsed is not None else ():
            written.append(self._delta(delta_of(choice.delta), choice=choice.index))
            # the parser says `stop` on every piece
            if choice.index in finished:
                self._chunks.finish(choice.finish_reason or "stop", choice=choice.index)
                self.progress.finished = True
        return b"".join(written)

    def _note(self, event: Json) -> None:
        if self.progress.model_served is None:
            self._chunks.completion_id = event.get("responseId") or self._chunks.completion_id
            self.progress.model_served = said(event.get("modelVersion"))
            self._chunks.model = self.progress.model_served or self._chunks.model
        counts = event.get("usageMetadata")
        if isinstance(counts, dict):
            self.progress.usage = usage.from_gemini(counts)
            self.progress.service_tier = _service_tier(counts, self._headers)


def _finished_candidates(event: Json) -> set[int]:
    if (event.get("promptFeedback") or {}).get("blockReason"):
        return {0}
    candidates = event.get("candidates") or ()
    return {
        candidate.get("index", position)
        for position, candidate in enumerate(candidates)
        if candidate.get("finishReason") not in (None, "FINISH_REASON_UNSPECIFIED")
    }


def _service_tier(counts: object, headers: Mapping[str, str]) -> str | None:
    tier = counts.get("serviceTier") if isinstance(counts, dict) else None
    return said(tier) or said(headers.get("x-gemini-service-tier"))
