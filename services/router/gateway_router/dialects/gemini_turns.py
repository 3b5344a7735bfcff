"""As many function calls in a model's turn as the client's messages have. Pure.

LiteLLM leaves out a call that equals one before it in the same turn; Gemini wants as many as there are results.
"""

from itertools import groupby
from typing import Any

import orjson

Json = dict[str, Any]
Call = tuple[str, Json]
"""Name and arguments."""


def calls_by_turn(messages: list[Json]) -> list[list[Json]]:
    """The functions that each turn of the model calls, of those that call any; successive messages are one turn."""
    turns = [
        [call["function"] for message in run for call in message.get("tool_calls") or ()]
        for role, run in groupby(messages, key=lambda message: message["role"])
        if role == "assistant"
    ]
    return [calls for calls in turns if calls]


def restore_calls(contents: list[Json], turns: list[list[Json]]) -> None:
    """Puts the calls that were left out back into the translated turns, each in its place."""
    calling = [content for content in contents if any("function_call" in part for part in content["parts"])]
    if len(calling) != len(turns):
        return  # translated in another way than is known here: as it is
    for content, functions in zip(calling, turns, strict=True):
        if sum("function_call" in part for part in content["parts"]) < len(functions):
            calls = [(each["name"], orjson.loads(each["arguments"])) for each in functions]
            content["parts"] = _with_all(content["parts"], calls)


def _with_all(parts: list[Json], calls: list[Call]) -> list[Json]:
    """The parts, and among them a part for each call; each part with a call is the first of those that equal it."""
    whole: list[Json] = []
    left = list(calls)
    for part in parts:
        if "function_call" not in part:
            whole.append(part)
            continue
        while not _is_of(part, left[0]):
            whole.append(_again(whole, left.pop(0)))
        left.pop(0)
        whole.append(part)
    return whole + [_again(whole, call) for call in left]


def _is_of(part: Json, call: Call) -> bool:
    """By Python's equality, as it was judged when it was left out."""
    return (part["function_call"]["name"], part["function_call"]["args"]) == call


def _again(parts: list[Json], call: Call) -> Json:
    first = next(part for part in parts if "function_call" in part and _is_of(part, call))
    return {"function_call": {**first["function_call"], "args": call[1]}}
