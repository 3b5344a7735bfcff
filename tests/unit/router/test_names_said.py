"""What a provider calls its model and its tier: whatever it is, the call's event has to reach the ledger."""

from typing import Any

import orjson
import pytest

from gateway_router.configuration import Provider
from gateway_router.dialects.anthropic import AnthropicTranslation
from gateway_router.dialects.dialect import MAX_NAME_CHARACTERS, ChatCall, Translate, said
from gateway_router.dialects.gemini import GeminiTranslation
from gateway_router.dialects.openai_wire import OpenAiTranslation
from gateway_router.kinds import Wire
from gateway_shared.settings import Secret

REST = b'{"messages":[{"role":"user","content":"hi"}]}'


def openai_answer(model: object, tier: object) -> dict[str, Any]:
    choices = [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}]
    return {"id": "x", "model": model, "service_tier": tier, "choices": choices, "usage": {"prompt_tokens": 1}}


def openai_events(model: object, tier: object) -> list[dict[str, Any]]:
    choices = [{"index": 0, "delta": {"content": "ok"}, "finish_reason": "stop"}]
    return [{"id": "x", "model": model, "service_tier": tier, "choices": choices}]


def anthropic_answer(model: object, tier: object) -> dict[str, Any]:
    usage = {"input_tokens": 1, "output_tokens": 2, "service_tier": tier}
    content = [{"type": "text", "text": "ok"}]
    return {"id": "m", "type": "message", "model": model, "content": content, "stop_reason": "end_turn", "usage": usage}


def anthropic_events(model: object, tier: object) -> list[dict[str, Any]]:
    stop = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}
    return [{"type": "message_start", "message": {**anthropic_answer(model, tier), "content": []}}, stop]


def gemini_answer(model: object, tier: object) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [{"text": "ok"}]}, "finishReason": "STOP", "index": 0}
    return {"candidates": [candidate], "modelVersion": model, "usageMetadata": {"serviceTier": tier}}


def gemini_events(model: object, tier: object) -> list[dict[str, Any]]:
    return [gemini_answer(model, tier)]


EVERY_DIALECT = pytest.mark.parametrize(
    ("translate", "wire", "answer", "events"),
    [
        (OpenAiTranslation, "openai", openai_answer, openai_events),
        (AnthropicTranslation, "anthropic", anthropic_answer, anthropic_events),
        (GeminiTranslation, "gemini", gemini_answer, gemini_events),
    ],
    ids=["openai", "anthropic", "gemini"],
)
EVERY_NAME = pytest.mark.parametrize(
    ("name", "recorded"),
    [
        ("a-1.5", "a-1.5"),
        ("nul\0 and\nbreak", "nul andbreak"),
        ("x" * 2_000_000, "x" * MAX_NAME_CHARACTERS),
        (5, None),
        ({"a": 1}, None),
        ("", None),
    ],
    ids=["plain", "nul", "endless", "number", "object", "empty"],
)


@EVERY_NAME
def test_a_name_is_recorded_as_far_as_the_ledger_can_hold_it(name: object, recorded: str | None) -> None:
    assert said(name) == recorded


@EVERY_NAME
@EVERY_DIALECT
def test_no_name_keeps_an_answer_or_its_event_back(
    translate: Translate, wire: Wire, answer: Any, events: Any, name: object, recorded: str | None
) -> None:
    provider = Provider("p", wire, "https://provider.example", Secret("sk-1"), "p", "p", "p")
    plain = translate(ChatCall("claude-sonnet-4-5", False, None, True, REST, "c", 1), provider)
    told = plain.answer(orjson.dumps(answer(name, name)), {})
    assert (told.model_served, told.service_tier) == (recorded, recorded)

    stream = translate(ChatCall("claude-sonnet-4-5", True, None, True, REST, "c", 1), provider).stream({})
    for event in events(name, name):
        stream.feed(b"data: " + orjson.dumps(event) + b"\n\n")
    stream.end()
    assert stream.failure is None
    assert (stream.progress.model_served, stream.progress.service_tier) == (recorded, recorded)
