"""The tool calls in a client's `messages`, and their results: each result answers a call before it. Pure."""

from typing import Any

import orjson

from gateway_shared.errors import BadRequest

Json = dict[str, Any]


class ClientCalls:
    """The calls of one conversation, as its messages are gone through in their order."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._unanswered: list[tuple[str, str]] = []  # older function calls: name and the id that was made for it

    def check_calls(self, message: Json, index: int) -> None:
        """Of an assistant's message; its `function_call` becomes a tool call. Raises BadRequest."""
        legacy = message.pop("function_call", None)
        tool_calls = message.get("tool_calls")
        if not tool_calls and legacy is None:
            message.pop("tool_calls", None)
            return
        if tool_calls is not None and not isinstance(tool_calls, list):
            raise BadRequest("tool_calls has to be a list.", param=f"messages[{index}].tool_calls")
        for position, call in enumerate(tool_calls or ()):
            self._check_call(call, f"messages[{index}].tool_calls[{position}]")
        if legacy is not None:
            name = _function_name(legacy, f"messages[{index}].function_call")
            call_id = f"function_call_{index}"  # of its place alone: the same conversation is the same request
            self._names[call_id] = name
            self._unanswered.append((name, call_id))
            message["tool_calls"] = [
                *(tool_calls or ()),
                {"id": call_id, "type": "function", "function": legacy},
            ]

    def check_result(self, message: Json, index: int) -> None:
        """Of a `tool` message. Raises BadRequest."""
        call_id = message.get("tool_call_id")
        name = self._names.get(call_id) if isinstance(call_id, str) else None
        if name is None:
            raise BadRequest(
                "A tool's result has to have the tool_call_id of a tool call before it.",
                param=f"messages[{index}].tool_call_id",
            )
        message["name"] = name

    def answer_function(self, message: Json, index: int) -> None:
        """A `function` message becomes the result of the nearest call of that name before it that has none yet.

        Raises BadRequest.
        """
        name = message.get("name")
        for position in range(len(self._unanswered) - 1, -1, -1):
            if self._unanswered[position][0] == name:
                message["role"], message["tool_call_id"] = "tool", self._unanswered.pop(position)[1]
                return
        raise BadRequest(
            "A function's result has to have the name of a function_call before it that has no result yet.",
            param=f"messages[{index}].name",
        )

    def _check_call(self, call: Any, at: str) -> None:
        if not isinstance(call, dict):
            raise BadRequest("A tool call has to be an object.", param=at)
        if call.setdefault("type", "function") != "function":
            raise BadRequest("A tool call has to be of type function for this model's provider.", param=f"{at}.type")
        call_id = call.get("id")
        if not isinstance(call_id, str) or not call_id:
            raise BadRequest("A tool call has to have an id.", param=f"{at}.id")
        self._names[call_id] = _function_name(call.get("function"), f"{at}.function")


def _function_name(function: Any, at: str) -> str:
    """Arguments that are not there become an empty object.

    Raises BadRequest for a function without a name, and for arguments that are not an object.
    """
    if not isinstance(function, dict):
        raise BadRequest("A call's function has to be an object.", param=at)
    name = function.get("name")
    if not isinstance(name, str) or not name:
        raise BadRequest("A call's function has to have a name.", param=f"{at}.name")
    arguments = function.get("arguments")
    if arguments is None or (isinstance(arguments, str) and (not arguments or arguments.isspace())):
        function["arguments"] = "{}"  # a function without parameters is often called so
    elif not _is_object(arguments):
        raise BadRequest("A call's arguments have to be a JSON object, as text.", param=f"{at}.arguments")
    return name


def _is_object(arguments: object) -> bool:
    if not isinstance(arguments, str):
        return False
    try:
        return isinstance(orjson.loads(arguments), dict)
    except orjson.JSONDecodeError:
        return False
