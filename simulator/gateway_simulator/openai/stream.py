"""Renders chat completion chunks: the role, the deltas, a finish chunk, the usage if asked for, `[DONE]`."""

from collections.abc import Iterator
from typing import Any

from gateway_simulator.answer import Answer
from gateway_simulator.dialect import Envelope, Frame, data_event
from gateway_simulator.model_names import dated_name
from gateway_simulator.openai.response import call_id, completion_id, fingerprint, finish_reason, usage_object

_DONE = b"data: [DONE]\n\n"


def chunk_frames(answer: Answer, envelope: Envelope) -> Iterator[Frame]:
    """The choices take turns, delta by delta."""
    head = {
        "id": completion_id(envelope),
        "object": "chat.completion.chunk",
        "created": envelope.created_s,
        "model": dated_name(answer.model),
        "service_tier": answer.service_tier,
        "system_fingerprint": fingerprint(answer),
    }
    tail = {"usage": None} if answer.include_usage else {}

    def chunk(index: int, delta: dict[str, Any], finish: str | None = None, *, content: bool = False) -> Frame:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return Frame(data_event({**head, "choices": [choice], **tail}), content)

    choices = range(answer.choices)
    for index in choices:
        yield chunk(index, _first_delta(answer, envelope, index))
    for deltas in zip(*(_deltas(answer, envelope, index) for index in choices), strict=True):
        for index, (delta, content) in enumerate(deltas):
            yield chunk(index, delta, content=content)
    if not answer.no_finish:
        for index in choices:
            yield chunk(index, {}, finish_reason(answer))
    if answer.include_usage and not answer.no_usage:
        yield Frame(data_event({**head, "choices": [], "usage": usage_object(answer.usage)}), usage=True)
    if not answer.no_done:
        yield Frame(_DONE)


def _first_delta(answer: Answer, envelope: Envelope, choice: int) -> dict[str, Any]:
    """A single call is opened by the role's chunk (recorded from OpenAI)."""
    if answer.refusal is not None:
        return {"role": "assistant", "content": None, "refusal": ""}
    if len(answer.tool_calls) == 1:
        opening = _opening(answer, envelope, choice, 0)
        return {"role": "assistant", "content": None, "tool_calls": [opening], "refusal": None}
    return {"role": "assistant", "content": None if answer.tool_calls else "", "refusal": None}


def _deltas(answer: Answer, envelope: Envelope, choice: int) -> Iterator[tuple[dict[str, Any], bool]]:
    """Each delta, and whether it is content. A call is opened once; its arguments follow in pieces, by `index`."""
    for nth, call in enumerate(answer.tool_calls):
        if len(answer.tool_calls) > 1:
            yield {"tool_calls": [_opening(answer, envelope, choice, nth)]}, False
        for piece in call.pieces:
            yield {"tool_calls": [{"index": nth, "function": {"arguments": piece}}]}, True
    for piece in answer.refusal_pieces:
        yield {"refusal": piece}, True
    for piece in answer.pieces:
        yield {"content": piece}, True


def _opening(answer: Answer, envelope: Envelope, choice: int, nth: int) -> dict[str, Any]:
    function = {"name": answer.tool_calls[nth].name, "arguments": ""}
    return {"index": nth, "id": call_id(envelope, choice, nth), "type": "function", "function": function}
