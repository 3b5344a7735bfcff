"""What the translated dialects share: reading the client's JSON, and turning a provider's events into chunks.

The translation itself is LiteLLM's (`litellm_names`); here is the glue that it needs (LITELLM.md).
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import orjson

from gateway_router.dialects.chat_chunks import ChatChunks, Delta
from gateway_router.dialects.dialect import MAX_EVENTS, ChatCall, Progress, cut_short, malformed
from gateway_router.dialects.provider_errors import event_refusal
from gateway_router.dialects.schema_references import check_references
from gateway_router.estimate import text_bytes
from gateway_shared.errors import BadRequest, GatewayError
from gateway_shared.sse import EventSplitter, EventTooLong, data_of

Json = dict[str, Any]

EXTENSIONS = ("reasoning_content", "thinking_blocks", "annotations", "images", "audio", "function_call")
"""What messages carry beside OpenAI's own members, under LiteLLM's names."""

_WORDS = frozenset(
    [
        *("text", "refusal", "thinking", "redacted_thinking", "server_tool_use", "web_search_tool_result"),
        *("web_fetch_tool_result", "code_execution_tool_result", "bash_code_execution_tool_result"),
        *("text_editor_code_execution_tool_result", "tool_search_tool_result"),
    ]
)
"""Types of content parts that hold what was said or found, and that nobody fetches anything for."""

_MAX_MEDIA_TYPE = 200
_PLAIN_HTTPS = re.compile(r"https://[!-~]+")
_NOT_PRINTED = re.compile(r"[\s\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202f\u2060\ufeff]+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[/\\]")


def client_object(call: ChatCall) -> Json:
    """The client's JSON. Raises BadRequest for what no translated dialect can do."""
    body: Json = orjson.loads(call.rest)
    if not isinstance(body.get("messages"), list):
        raise BadRequest("Missing required parameter: 'messages'.", param="messages")
    if b"$ref" in call.rest or b"\\u" in call.rest:
        check_references(body)
    if body.get("logit_bias"):
        raise BadRequest("logit_bias is not supported by this model's provider.", param="logit_bias")
    return body


def check_media(messages: list[Any], *, https_is_passed_on: bool) -> None:
    """Only media that come with the request: an address would be fetched from inside (SECURITY: outbound requests).

    Raises BadRequest. `https_is_passed_on`: the provider itself fetches https addresses.
    """
    for message in messages:
        parts = message.get("content") if isinstance(message, dict) else None
        for part in parts if isinstance(parts, list) else ():
            for text in _addresses(part):
                if _is_address(text) and not (https_is_passed_on and _PLAIN_HTTPS.fullmatch(text)):
                    raise BadRequest("Send media as a data: URL to this model's provider.", param="messages")


def _is_address(text: str) -> bool:
    """However it is spelled: parsers of addresses leave out white space and what cannot be printed."""
    if text.startswith("data:"):
        text = text[:_MAX_MEDIA_TYPE].partition(",")[0].removeprefix("data:")
    if ":" not in text:
        return False  # nearly all: base64 has none
    bare = _NOT_PRINTED.sub("", text)
    return "://" in bare or _SCHEME.match(bare) is not None


def _addresses(part: object) -> list[str]:
    """Every text of a content part that may be media; words may name as many addresses as they like."""
    if not isinstance(part, dict) or part.get("type") in _WORDS:
        return []
    source = part.get("source")
    if part.get("type") == "document" and isinstance(source, dict):  # Anthropic's own, sent as it is
        if source.get("type") == "text":
            return []
        if source.get("type") == "content" and isinstance(source.get("content"), list):
            return [text for inner in source["content"] for text in _addresses(inner)]
        part = source
    found: list[str] = []
    pending: list[object] = list(part.values())
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    return found


def dumped(value: Any) -> Any:
    """A LiteLLM (pydantic) object as plain JSON, None left out."""
    if hasattr(value, "model_dump"):
        return value.model_dump(exclude_none=True)
    return [dumped(item) for item in value] if isinstance(value, list) else value


def message_of(message: Any) -> Json:
    """A plain answer's message, of the same shape on every call."""
    calls = [dumped(call) for call in getattr(message, "tool_calls", None) or ()]
    fields: Json = {"role": "assistant", "content": message.content, "refusal": None}
    if calls:
        fields["tool_calls"] = [
            {"id": call.get("id"), "type": "function", "function": call.get("function")} for call in calls
        ]
    fields.update(_extensions(message))
    return fields


def delta_of(delta: Any) -> Delta:
    """A LiteLLM delta as a plain object."""
    calls = [dumped(call) for call in getattr(delta, "tool_calls", None) or ()]
    return {"content": delta.content, "tool_calls": calls, **_extensions(delta)}


def _extensions(source: Any) -> Json:
    values = {name: dumped(getattr(source, name, None)) for name in EXTENSIONS}
    return {name: value for name, value in values.items() if value not in (None, [], "")}


class TranslatedStream(ABC):
    """A ChatStream over a provider's own events; a dialect says what one event means."""

    def __init__(self, call: ChatCall, secret: str) -> None:
        self.progress = Progress()
        self.failure: GatewayError | None = None
        self._relay_usage = call.relay_usage
        self._secret = secret
        self._splitter = EventSplitter()
        self._events = 0
        self._chunks = ChatChunks(completion_id=call.completion_id, created_s=call.created_s, model=call.upstream_model)

    @abstractmethod
    def event(self, event: Json) -> bytes:
        """The chunks that one provider event gives; notes what it says in `progress` and `_chunks`."""

    @property
    def held_bytes(self) -> int:
        return self._splitter.held_bytes

    def feed(self, data: bytes) -> bytes:
        try:
            events = self._splitter.feed(data)
        except EventTooLong:
            self.failure = malformed()
            return b""
        return self._chunks_of(events)

    def end(self) -> bytes:
        rest = self._splitter.flush()
        last = self._chunks_of([rest]) if rest.strip() else b""
        if self.failure is None and not self._chunks.finished:
            self.failure = cut_short()
        if self.failure is not None:
            return last
        last += self._chunks.finish_events()
        usage = self.progress.usage
        return last + self._chunks.usage_event(usage.tokens) if self._relay_usage and usage else last

    def _chunks_of(self, events: list[bytes]) -> bytes:
        written: list[bytes] = []
        self._events += len(events)
        if self._events > MAX_EVENTS:
            self.failure = malformed()
        for event in events:
            if self.failure is not None or self.progress.done:
                break
            data = data_of(event)
            if data is not None:
                written.append(self._translate(data))
        return b"".join(written)

    def _translate(self, data: bytes) -> bytes:
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError:
            event = None
        if not isinstance(event, dict):
            self.failure = malformed()
            return b""
        if "error" in event:
            self.failure = event_refusal(event["error"], secret=self._secret)
            return b""
        try:
            return self.event(event)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            # the parsers index into what they expect
            self.failure = malformed()
            return b""

    def _delta(self, delta: Delta, *, choice: int = 0) -> bytes:
        written = self._chunks.delta(delta, choice=choice)
        text = sum(text_bytes(str(delta.get(name) or "")) for name in ("content", "reasoning_content"))
        for call in delta.get("tool_calls") or ():  # type: ignore[attr-defined]
            text += text_bytes(call["function"].get("arguments") or "")
        self.progress.text_bytes += text
        self.progress.chunks += 1 if text else 0
        return written


def completion(
    call: ChatCall, *, completion_id: str, model: str, choices: list[Json], usage: Mapping[str, object] | None
) -> Json:
    """OpenAI's `chat.completion` object."""
    return {
        "id": completion_id,
        "object": "chat.completion",
        "created": call.created_s,
        "model": model,
        "choices": choices,
        "usage": usage,
    }
