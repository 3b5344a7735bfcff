"""Reads a chat completion request (OpenAI API reference, "Create chat completion")."""

from typing import Any

from gateway_simulator.conversation import (
    Conversation,
    RequestInvalid,
    Tool,
    optional_count,
    require_list,
    require_object,
)


def read_request(body: dict[str, Any]) -> Conversation:
    """Raises RequestInvalid, with the words that OpenAI uses where they are known."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise RequestInvalid("you must provide a model parameter")
    stream = body.get("stream") is True
    stream_options = body.get("stream_options")
    if stream_options is not None and not stream:
        raise RequestInvalid("The 'stream_options' parameter is only allowed when 'stream' is enabled.")
    messages = [require_object(message, "messages[]") for message in require_list(body.get("messages"), "messages")]
    if not messages:
        raise RequestInvalid("Invalid 'messages': empty array. Expected an array with minimum length 1.")
    tool_choice = body.get("tool_choice") or "auto"
    named = tool_choice.get("function", {}).get("name") if isinstance(tool_choice, dict) else None
    response_format = body.get("response_format") or {}
    stop = body.get("stop") or ()
    limit = "max_tokens" if body.get("max_completion_tokens") is None else "max_completion_tokens"
    return Conversation(
        model=model,
        stream=stream,
        texts=tuple(text for message in messages for text in _texts(message)),
        last_user_text=_last_user_text(messages),
        tool_result_last=messages[-1].get("role") == "tool",
        called_tools=tuple(
            call.get("function", {}).get("name", "") for message in messages for call in message.get("tool_calls") or ()
        ),
        tools=tuple(_tool(tool) for tool in body.get("tools") or () if tool.get("type") == "function"),
        tool_required=tool_choice == "required",
        named_tool=named,
        tools_allowed=tool_choice != "none",
        parallel_tool_calls=body.get("parallel_tool_calls") is not False,
        response_schema=(response_format.get("json_schema") or {}).get("schema"),
        json_object=response_format.get("type") == "json_object",
        choices=optional_count(body.get("n"), "n") or 1,
        max_output_tokens=optional_count(body.get(limit), limit),
        stop_sequences=(stop,) if isinstance(stop, str) else tuple(stop),
        include_usage=bool(stream_options and stream_options.get("include_usage")),
        service_tier="default" if body.get("service_tier") in (None, "auto") else body["service_tier"],
        user=body.get("user"),
        metadata=body.get("metadata"),
    )


def _tool(tool: dict[str, Any]) -> Tool:
    function = require_object(tool.get("function"), "tools[].function")
    return Tool(
        name=function.get("name", ""), parameters=require_object(function.get("parameters") or {}, "parameters")
    )


def _texts(message: dict[str, Any]) -> list[str]:
    content = message.get("content")
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content or () if isinstance(part.get("text"), str)]


def _last_user_text(messages: list[dict[str, Any]]) -> str:
    for message in reversed(messages):
        if message.get("role") == "user" and (texts := _texts(message)):
            return "\n".join(texts)
    return ""
