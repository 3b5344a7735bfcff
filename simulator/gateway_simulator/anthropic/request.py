"""Reads a Messages request (Anthropic API reference, "Create a Message")."""

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
    """Raises RequestInvalid, worded as Anthropic words it."""
    for name in ("model", "max_tokens", "messages"):
        if name not in body:
            raise RequestInvalid(f"{name}: Field required")
    messages = [require_object(message, "messages[]") for message in require_list(body["messages"], "messages")]
    if not messages:
        raise RequestInvalid("messages: at least one message is required")
    tool_choice = body.get("tool_choice") or {"type": "auto"}
    output_format = body.get("output_format") or (body.get("output_config") or {}).get("format") or {}
    return Conversation(
        model=body["model"],
        stream=body.get("stream") is True,
        texts=tuple(
            _texts(body.get("system")) + [text for message in messages for text in _texts(message.get("content"))]
        ),
        last_user_text=_last_user_text(messages),
        tool_result_last=any(block.get("type") == "tool_result" for block in _blocks(messages[-1])),
        called_tools=tuple(
            block.get("name", "")
            for message in messages
            for block in _blocks(message)
            if block.get("type") == "tool_use"
        ),
        tools=tuple(_tool(tool) for tool in body.get("tools") or () if "name" in tool),
        tool_required=tool_choice.get("type") == "any",
        named_tool=tool_choice.get("name") if tool_choice.get("type") == "tool" else None,
        tools_allowed=tool_choice.get("type") != "none",
        parallel_tool_calls=tool_choice.get("disable_parallel_tool_use") is not True,
        response_schema=output_format.get("schema"),
        max_output_tokens=optional_count(body["max_tokens"], "max_tokens"),
        stop_sequences=tuple(body.get("stop_sequences") or ()),
        thinking_shown=(body.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
        service_tier="standard",
        user=(body.get("metadata") or {}).get("user_id"),
        metadata=body.get("metadata"),
    )


def _tool(tool: dict[str, Any]) -> Tool:
    return Tool(name=tool["name"], parameters=require_object(tool.get("input_schema") or {}, "input_schema"))


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    return [] if isinstance(content, str) or content is None else content


def _texts(content: Any) -> list[str]:
    """Text blocks, and those inside tool results."""
    if isinstance(content, str):
        return [content]
    texts = []
    for block in content or ():
        if block.get("type") == "text":
            texts.append(block["text"])
        elif block.get("type") == "tool_result":
            texts.extend(_texts(block.get("content")))
    return texts


def _last_user_text(messages: list[dict[str, Any]]) -> str:
    for message in reversed(messages):
        content = message.get("content")
        said = (
            content if isinstance(content, str) else [block for block in content or () if block.get("type") == "text"]
        )
        if message.get("role") == "user" and said:
            return "\n".join(_texts(said))
    return ""
