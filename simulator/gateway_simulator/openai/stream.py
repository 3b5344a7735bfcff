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
        yield chunk(index, _first_delta(answer))
    for deltas in zip(*(_deltas(answer, envelope, index) for index in choices), strict=True):
        for index, delta in enumerate(deltas):
            yield chunk(index, delta, content=True)
    if not answer.no_finish:
        for index in choices:
            yield chunk(index, {}, finish_reason(answer))
    if answer.include_usage and not answer.no_usage:
        yield Frame(data_event({**head, "choices": [], "usage": usage_object(answer.usage)}))
    if not answer.no_done:
        yield Frame(_DONE)


def _first_delta(answer: Answer) -> dict[str, Any]:
    if answer.refusal is not None:
        return {"role": "assistant", "content": None, "refusal": ""}
    return {"role": "assistant", "content": None if answer.tool_calls else "", "refusal": None}


def _deltas(answer: Answer, envelope: Envelope, choice: int) -> Iterator[dict[str, Any]]:
    """A call's id and name come once, with empty arguments; then the arguments in pieces, by `index`."""
    for nth, call in enumerate(answer.tool_calls):
        opening = {"index": nth, "id": call_id(envelope, choice, nth), "type": "function"}
        yield {"tool_calls": [{**opening, "function": {"name": call.name, "arguments": ""}}]}
        for piece in call.pieces:
            yield {"tool_calls": [{"index": nth, "function": {"arguments": piece}}]}
    if answer.refusal is not None:
        for word in answer.refusal_pieces:
            yield {"refusal": word}
    for piece in answer.pieces:
        yield {"content": piece}
