"""A chat completion request, checked and cut in two: what the router needs to know, and the rest as bytes. Pure."""

from dataclasses import dataclass

import orjson

from gateway_edge.chat_fields import check_chat_fields
from gateway_edge.json_document import parse_object
from gateway_shared.errors import JsonObject


@dataclass(slots=True)
class ChatRequest:
    """`rest` is the client's object without `model`, `stream` and `stream_options`, written again.

    `end_user` and `metadata` are read for attribution and stay in `rest`.
    """

    model: str
    stream: bool
    stream_options: JsonObject | None
    end_user: str | None
    metadata: JsonObject
    rest: bytes

    @property
    def asks_for_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.get("include_usage"))


def parse_chat_request(data: bytes) -> ChatRequest:
    """Raises BadRequest (400) with `param`, as OpenAI does."""
    body = parse_object(data)
    check_chat_fields(body)
    model, stream, stream_options = body.pop("model"), body.pop("stream", None), body.pop("stream_options", None)
    end_user = body.get("safety_identifier") or body.get("user")
    metadata = body.get("metadata")
    assert isinstance(model, str)
    return ChatRequest(
        model=model,
        stream=stream is True,
        stream_options=stream_options if isinstance(stream_options, dict) else None,
        end_user=end_user if isinstance(end_user, str) else None,
        metadata=metadata if isinstance(metadata, dict) else {},
        rest=orjson.dumps(body),
    )
