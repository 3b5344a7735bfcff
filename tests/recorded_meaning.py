"""What a recorded exchange should mean, worked out from the provider's own bytes without the product's code."""

import json
from dataclasses import dataclass
from typing import Any

from tests.recordings import Json, Recording

_ANTHROPIC_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_GEMINI_FINISH = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter"}


@dataclass(frozen=True)
class Meaning:
    """What an answer says, whatever its dialect; tool calls are name and arguments."""

    text: str
    tool_calls: list[tuple[str, Any]]
    finish_reason: str | None
    prompt_tokens: int
    completion_tokens: int


def said_by(recording: Recording) -> Meaning:
    """The provider, in its own dialect."""
    return _anthropic_meaning(recording) if recording.provider == "anthropic" else _gemini_meaning(recording)


def read_plain(answer: Json) -> Meaning:
    """Of an OpenAI completion."""
    [choice] = answer["choices"]
    calls = [
        (call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in choice["message"].get("tool_calls") or ()
    ]
    usage = answer["usage"]
    return Meaning(
        choice["message"]["content"] or "",
        calls,
        choice["finish_reason"],
        usage["prompt_tokens"],
        usage["completion_tokens"],
    )


def read_stream(chunks: list[Json]) -> Meaning:
    """Of the chunks of an OpenAI stream."""
    text, finish, usage = "", None, {"prompt_tokens": 0, "completion_tokens": 0}
    calls: dict[int, Json] = {}
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        for choice in chunk["choices"]:
            text += choice["delta"].get("content") or ""
            finish = choice["finish_reason"] or finish
            for call in choice["delta"].get("tool_calls") or ():
                kept = calls.setdefault(call["index"], {"name": "", "arguments": ""})
                kept["name"] += call["function"].get("name") or ""
                kept["arguments"] += call["function"].get("arguments") or ""
    named = [(call["name"], json.loads(call["arguments"])) for _, call in sorted(calls.items())]
    return Meaning(text, named, finish, usage["prompt_tokens"], usage["completion_tokens"])


def _anthropic_meaning(recording: Recording) -> Meaning:
    events = (
        [json.loads(line[5:]) for line in recording.data_lines]
        if recording.mode == "stream"
        else [{"type": "message", "message": json.loads(recording.body)}]
    )
    blocks: dict[int, Json] = {}
    stop_reason = None
    usage: Json = {}
    for event in events:
        match event["type"]:
            case "message":
                blocks = dict(enumerate(event["message"]["content"]))
                stop_reason, usage = event["message"]["stop_reason"], event["message"]["usage"]
            case "message_start":
                usage = dict(event["message"]["usage"])
            case "content_block_start":
                blocks[event["index"]] = {**event["content_block"], "json": ""}
            case "content_block_delta":
                block, delta = blocks[event["index"]], event["delta"]
                block["text"] = block.get("text", "") + delta.get("text", "")
                block["json"] += delta.get("partial_json", "")
            case "message_delta":
                stop_reason = event["delta"]["stop_reason"]
                usage.update(event["usage"])
    calls = [
        (block["name"], json.loads(block["json"]) if block.get("json") else block["input"])
        for block in blocks.values()
        if block["type"] == "tool_use"
    ]
    text = "".join(block["text"] for block in blocks.values() if block["type"] == "text")
    cached = (usage.get("cache_read_input_tokens") or 0) + (usage.get("cache_creation_input_tokens") or 0)
    finish = _ANTHROPIC_FINISH[stop_reason] if stop_reason else None
    return Meaning(text, calls, finish, usage["input_tokens"] + cached, usage["output_tokens"])


def _gemini_meaning(recording: Recording) -> Meaning:
    events = (
        [json.loads(line[5:]) for line in recording.data_lines]
        if recording.mode == "stream"
        else [json.loads(recording.body)]
    )
    text, finish = "", None
    calls: list[tuple[str, Any]] = []
    usage: Json = {}
    for event in events:
        candidate = (event.get("candidates") or [{}])[0]
        for part in candidate.get("content", {}).get("parts", ()):
            if "functionCall" in part:
                calls.append((part["functionCall"]["name"], part["functionCall"]["args"]))
            elif not part.get("thought"):
                text += part.get("text", "")
        finish = candidate.get("finishReason") or finish
        usage = event.get("usageMetadata") or usage
    output = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
    mapped = "tool_calls" if calls else _GEMINI_FINISH[finish or "STOP"]
    return Meaning(text, calls, mapped, usage["promptTokenCount"], output)
