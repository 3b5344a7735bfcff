"""JSON at Anthropic where it has no structured output for it: the arguments of a tool that has to be called. Pure.

It is for `json_object`, and for `json_schema` of older models. Answers are turned back
here: LiteLLM reads each piece of a stream as JSON, and changes numbers and white space that stand in texts.
"""

from typing import Any

import orjson

from gateway_shared.errors import BadRequest

Json = dict[str, Any]

NAME = "json_tool_call"
"""LiteLLM's name for it."""
ANY_JSON: Json = {
    "name": NAME,
    "description": "Gives the answer: the arguments are the JSON object that was asked for.",
    "input_schema": {"type": "object", "properties": {}, "additionalProperties": True},
}


def ask_for_json(request: Json, tool: Json, *, tools_offered: bool, can_force: bool) -> bool:
    """Adds the tool to a request to Anthropic, and has it called, or one of the client's own where it has some.

    Where the client insists on one of its own, that is the answer: then it is not added, and this is False. A model
    that thinks cannot be made to call a tool (Anthropic's guide to extended thinking), nor one that never can
    (not `can_force`): with a schema it may call this one, and for any JSON BadRequest is raised.
    """
    choice = request.get("tool_choice") or {}
    if choice.get("type") in ("any", "tool"):
        return False
    thinks = (request.get("thinking") or {}).get("type", "disabled") != "disabled"
    is_forced = can_force and not thinks
    if not is_forced and tool is ANY_JSON:
        raise _no_json_object(" while it thinks (reasoning_effort, thinking)" if can_force else "")
    request["tools"] = [*(request.get("tools") or ()), tool]
    if is_forced and tools_offered and choice.get("type") != "none":
        request["tool_choice"] = {**choice, "type": "any"}
    elif is_forced:
        request["tool_choice"] = {"type": "tool", "name": NAME, "disable_parallel_tool_use": True}
    return True


def _no_json_object(when: str = "") -> BadRequest:
    return BadRequest(
        f"This model does not take a response_format of type json_object{when}: use json_schema.",
        param="response_format",
    )


def with_json_as_text(message: Json) -> None:
    """A plain answer whose JSON is its text, as other providers give it."""
    calls = [block for block in message["content"] if block.get("type") == "tool_use"]
    wanted = next((block for block in calls if block.get("name") == NAME), None)
    if wanted is None:
        return
    text = {"type": "text", "text": orjson.dumps(wanted["input"]).decode()}
    message["content"] = [
        text if block is wanted else block
        for block in message["content"]
        if block is wanted or not (block.get("type") == "text" or block.get("name") == NAME)
    ]
    if message.get("stop_reason") == "tool_use" and all(call.get("name") == NAME for call in calls):
        message["stop_reason"] = "end_turn"


class JsonAsText:
    """The same for the events of one stream."""

    def __init__(self) -> None:
        self._index: object = None
        self._left_out: set[object] = set()
        self._is_empty = True
        self._others_called = False

    def event(self, event: Json) -> Json | None:
        """The event in the place of this one, or None where nothing is to be told."""
        match event.get("type"):
            case "content_block_start" if event["content_block"].get("type") == "tool_use":
                return self._start(event, event["content_block"])
            case "content_block_delta" | "content_block_stop" if event["index"] in self._left_out:
                return None
            case "content_block_delta" if event["index"] == self._index:
                piece = event["delta"].get("partial_json") or ""
                self._is_empty = self._is_empty and not piece
                return _text(self._index, piece)
            case "content_block_stop" if event["index"] == self._index and self._is_empty:
                return _text(self._index, "{}")
            case "message_delta" if event["delta"].get("stop_reason") == "tool_use":
                if self._index is not None and not self._others_called:
                    return {**event, "delta": {**event["delta"], "stop_reason": "end_turn"}}
        return event

    def _start(self, event: Json, block: Json) -> Json | None:
        if block.get("name") != NAME:
            self._others_called = True
            return event
        if self._index is not None:
            self._left_out.add(event["index"])
            return None
        self._index = event["index"]
        return {**event, "content_block": {"type": "text", "text": ""}}


def _text(index: object, text: str) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}
