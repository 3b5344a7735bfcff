"""Renders a plain chat completion, and the usage object that streams share with it."""

from typing import Any

import orjson

from gateway_simulator.answer import Answer, ToolCall, Usage
from gateway_simulator.dialect import Envelope
from gateway_simulator.model_names import dated_name


def completion_document(answer: Answer, envelope: Envelope) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": completion_id(envelope),
        "object": "chat.completion",
        "created": envelope.created_s,
        "model": dated_name(answer.model),
        "choices": [_choice(answer, envelope, index) for index in range(answer.choices)],
        "usage": usage_object(answer.usage),
        "service_tier": answer.service_tier,
        "system_fingerprint": fingerprint(answer),
    }
    if answer.no_usage:
        del document["usage"]
    return document


def completion_id(envelope: Envelope) -> str:
    return f"chatcmpl-{envelope.token}"


def call_id(envelope: Envelope, choice: int, nth: int) -> str:
    return f"call_{envelope.token}{choice}{nth:02d}"


def fingerprint(answer: Answer) -> str:
    """One per model, as a deployed version has."""
    return f"fp_{sum(dated_name(answer.model).encode()) * 2654435761 % 16**10:010x}"


def finish_reason(answer: Answer) -> str | None:
    """A call that `tool_choice` named finishes with `stop` (recorded from OpenAI)."""
    if answer.no_finish:
        return None
    forced = answer.named_tool_forced and answer.finish_reason == "tool_calls"
    return "stop" if forced else answer.finish_reason


def usage_object(usage: Usage) -> dict[str, Any]:
    prompt_details = {"cached_tokens": usage.cached, "audio_tokens": usage.audio_in}
    if usage.cache_write:
        prompt_details["cache_write_tokens"] = usage.cache_write
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "prompt_tokens_details": prompt_details,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.audio_out,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _choice(answer: Answer, envelope: Envelope, index: int) -> dict[str, Any]:
    has_content = not answer.tool_calls and answer.refusal is None
    message: dict[str, Any] = {"role": "assistant", "content": answer.text if has_content else None}
    if answer.tool_calls:
        message["tool_calls"] = [
            _call(call, call_id(envelope, index, nth)) for nth, call in enumerate(answer.tool_calls)
        ]
    message |= {"refusal": answer.refusal, "annotations": []}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": finish_reason(answer)}


def _call(call: ToolCall, identifier: str) -> dict[str, Any]:
    arguments = orjson.dumps(call.arguments).decode()
    return {"id": identifier, "type": "function", "function": {"name": call.name, "arguments": arguments}}
