"""Renders a plain GenerateContentResponse, and the parts that streams share with it."""

from typing import Any

from gateway_simulator.answer import Answer, Usage
from gateway_simulator.dialect import Envelope

SIGNATURE = "c2ltdWxhdGVkIHRoaW5raW5n"

_FINISH_REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}


def content_document(answer: Answer, envelope: Envelope) -> dict[str, Any]:
    candidates = [candidate(answer, all_parts(answer), index, last=True) for index in range(answer.choices)]
    return response_document(answer, envelope, candidates, output=answer.usage.output)


def response_document(
    answer: Answer, envelope: Envelope, candidates: list[dict[str, Any]], *, output: int
) -> dict[str, Any]:
    """`output`: candidates' tokens so far."""
    document: dict[str, Any] = {"candidates": candidates}
    if not answer.no_usage:
        document["usageMetadata"] = usage_metadata(answer.usage, output=output)
    return {**document, "modelVersion": answer.model, "responseId": response_id(envelope)}


def response_id(envelope: Envelope) -> str:
    return envelope.token


def candidate(answer: Answer, parts: list[dict[str, Any]], index: int, *, last: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"content": {"parts": parts, "role": "model"}}
    if last and not answer.no_finish:
        found["finishReason"] = "SAFETY" if answer.refusal else _FINISH_REASONS[answer.finish_reason]
        if answer.tool_calls:
            found["finishMessage"] = "Model generated function call(s)."
    return {**found, "index": index}


def all_parts(answer: Answer) -> list[dict[str, Any]]:
    thoughts = [{"text": answer.thinking, "thought": True}] if answer.thinking else []
    text = answer.refusal or answer.text
    return thoughts + ([{"text": text}] if text else []) + call_parts(answer)


def call_parts(answer: Answer) -> list[dict[str, Any]]:
    """Gemini sends a call whole, streamed or not, and signs it where it has thought."""
    signature = {"thoughtSignature": SIGNATURE} if answer.usage.reasoning else {}
    return [{"functionCall": {"name": call.name, "args": call.arguments}, **signature} for call in answer.tool_calls]


def usage_metadata(usage: Usage, *, output: int) -> dict[str, Any]:
    """`promptTokenCount` includes what was cached, `candidatesTokenCount` leaves out thoughts, the total has all."""
    details = [{"modality": "TEXT", "tokenCount": usage.prompt - usage.audio_in}]
    if usage.audio_in:
        details.append({"modality": "AUDIO", "tokenCount": usage.audio_in})
    metadata: dict[str, Any] = {
        "promptTokenCount": usage.prompt,
        "candidatesTokenCount": output + usage.audio_out,
        "totalTokenCount": usage.prompt + output + usage.audio_out + usage.reasoning,
        "promptTokensDetails": details,
    }
    if usage.cached:
        metadata["cachedContentTokenCount"] = usage.cached
    if usage.reasoning:
        metadata["thoughtsTokenCount"] = usage.reasoning
    return metadata
