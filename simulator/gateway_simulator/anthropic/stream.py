"""Renders the events of a streamed message: its start, a block at a time, its delta with the usage, its stop."""

from collections.abc import Iterator
from typing import Any

from gateway_simulator.answer import Answer, split_words
from gateway_simulator.anthropic.response import SIGNATURE, message_head, stop_fields, tool_use_id, usage_object
from gateway_simulator.dialect import Envelope, Frame, data_event


def message_frames(answer: Answer, envelope: Envelope) -> Iterator[Frame]:
    start = message_head(answer, envelope)
    if not answer.no_usage:
        start["usage"] = usage_object(answer.usage, output_tokens=1)
    yield _event({"type": "message_start", "message": start})
    pinged = False
    for index, (opening, deltas) in enumerate(_blocks(answer, envelope)):
        yield _event({"type": "content_block_start", "index": index, "content_block": opening})
        if not pinged:
            yield _event({"type": "ping"})
            pinged = True
        for delta in deltas:
            yield _event({"type": "content_block_delta", "index": index, "delta": delta}, content=_counts(delta))
        yield _event({"type": "content_block_stop", "index": index})
    ending: dict[str, Any] = {"type": "message_delta", "delta": stop_fields(answer)}
    if not answer.no_usage:
        ending["usage"] = _final_usage(answer)
    if not (answer.no_finish and answer.no_usage):
        yield _event(ending, usage=not answer.no_usage)
    if not answer.no_done:
        yield _event({"type": "message_stop"})


def _event(document: dict[str, Any], *, content: bool = False, usage: bool = False) -> Frame:
    return Frame(data_event(document, event=document["type"]), content, usage)


def _counts(delta: dict[str, Any]) -> bool:
    return delta["type"] != "signature_delta" and delta.get("partial_json") != ""


def _blocks(answer: Answer, envelope: Envelope) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each block's opening, and its deltas."""
    if answer.thinking:
        thoughts = [{"type": "thinking_delta", "thinking": word} for word in split_words(answer.thinking)]
        sealed = [*thoughts, {"type": "signature_delta", "signature": SIGNATURE}]
        yield {"type": "thinking", "thinking": "", "signature": ""}, sealed
    pieces = answer.refusal_pieces or answer.pieces
    if pieces:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]
    for nth, call in enumerate(answer.tool_calls):
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *call.pieces)]
        yield {"type": "tool_use", "id": tool_use_id(envelope, nth), "name": call.name, "input": {}}, deltas


def _final_usage(answer: Answer) -> dict[str, Any]:
    """The cumulative counts; tier and cache split are told at the start only."""
    usage = usage_object(answer.usage)
    del usage["cache_creation"], usage["service_tier"]
    return usage
