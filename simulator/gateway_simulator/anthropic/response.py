"""Renders a plain message, and the parts that streams share with it."""

from typing import Any

from gateway_simulator.answer import Answer, Usage
from gateway_simulator.dialect import Envelope
from gateway_simulator.model_names import dated_name

SIGNATURE = "c2ltdWxhdGVkIHRoaW5raW5n"

_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def message_document(answer: Answer, envelope: Envelope) -> dict[str, Any]:
    document = {
        **message_head(answer, envelope),
        "content": _content(answer, envelope),
        **stop_fields(answer),
        "usage": usage_object(answer.usage),
    }
    if answer.no_usage:
        del document["usage"]
    return document


def message_head(answer: Answer, envelope: Envelope) -> dict[str, Any]:
    return {
        "model": dated_name(answer.model),
        "id": message_id(envelope),
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def message_id(envelope: Envelope) -> str:
    return f"msg_01{envelope.token[:22]}"


def tool_use_id(envelope: Envelope, nth: int) -> str:
    return f"toolu_01{envelope.token[:20]}{nth:02d}"


def stop_fields(answer: Answer) -> dict[str, Any]:
    if answer.no_finish:
        return {"stop_reason": None, "stop_sequence": None}
    if answer.refusal is not None:
        return {"stop_reason": "refusal", "stop_sequence": None}
    if answer.stop_sequence is not None:
        return {"stop_reason": "stop_sequence", "stop_sequence": answer.stop_sequence}
    return {"stop_reason": _STOP_REASONS[answer.finish_reason], "stop_sequence": None}


def usage_object(usage: Usage, *, output_tokens: int | None = None) -> dict[str, Any]:
    """`input_tokens` leaves out what was read from or written to the cache; `output_tokens` includes thinking."""
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.output + usage.reasoning if output_tokens is None else output_tokens,
        "service_tier": "standard",
    }


def _content(answer: Answer, envelope: Envelope) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if answer.thinking:
        blocks.append({"type": "thinking", "thinking": answer.thinking, "signature": SIGNATURE})
    if answer.refusal or answer.text:
        blocks.append({"type": "text", "text": answer.refusal or answer.text})
    for nth, call in enumerate(answer.tool_calls):
        blocks.append(
            {"type": "tool_use", "id": tool_use_id(envelope, nth), "name": call.name, "input": call.arguments}
        )
    return blocks
