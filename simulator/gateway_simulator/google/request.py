"""Reads a generateContent request (Gemini API reference, "models.generateContent").

Names come in camelCase or snake_case: Google accepts both.
"""

from typing import Any

from gateway_simulator.conversation import (
    Conversation,
    RequestInvalid,
    Tool,
    optional_count,
    require_list,
    require_object,
    strings_in,
)


def read_request(body: dict[str, Any], model: str, stream: bool) -> Conversation:
    contents = [require_object(content, "contents[]") for content in require_list(body.get("contents"), "contents")]
    if not contents:
        raise RequestInvalid("* GenerateContentRequest.contents: contents is not specified")
    system = _either(body, "systemInstruction", "system_instruction") or {}
    config = _either(body, "generationConfig", "generation_config") or {}
    calling = (
        _either(_either(body, "toolConfig", "tool_config") or {}, "functionCallingConfig", "function_calling_config")
        or {}
    )
    mode = str(calling.get("mode", "AUTO")).upper()
    allowed = _either(calling, "allowedFunctionNames", "allowed_function_names") or []
    thinking = _either(config, "thinkingConfig", "thinking_config") or {}
    schema = next((config[name] for name in _SCHEMAS if config.get(name)), None)
    return Conversation(
        model=model,
        stream=stream,
        texts=tuple(_texts(system) + [text for content in contents for text in _texts(content)]),
        last_user_text=_last_user_text(contents),
        tool_result_last=any(_result(part) for part in contents[-1].get("parts") or ()),
        called_tools=tuple(call.get("name", "") for content in contents for call in _calls(content)),
        tools=_tools(body.get("tools") or [], allowed if mode == "ANY" else []),
        tool_required=mode == "ANY",
        named_tool=allowed[0] if mode == "ANY" and len(allowed) == 1 else None,
        tools_allowed=mode != "NONE",
        response_schema=schema,
        json_object=_either(config, "responseMimeType", "response_mime_type") == "application/json",
        choices=optional_count(_either(config, "candidateCount", "candidate_count"), "candidateCount") or 1,
        max_output_tokens=optional_count(_either(config, "maxOutputTokens", "max_output_tokens"), "maxOutputTokens"),
        stop_sequences=tuple(_either(config, "stopSequences", "stop_sequences") or ()),
        thinking_shown=bool(_either(thinking, "includeThoughts", "include_thoughts")),
        metadata=body.get("labels"),
    )


_SCHEMAS = ("responseJsonSchema", "response_json_schema", "responseSchema", "response_schema")


def _either(holder: dict[str, Any], camel: str, snake: str) -> Any:
    return holder.get(camel, holder.get(snake))


def _tools(listed: list[dict[str, Any]], allowed: list[str]) -> tuple[Tool, ...]:
    declarations = [
        declaration
        for tool in listed
        for declaration in _either(tool, "functionDeclarations", "function_declarations") or ()
        if not allowed or declaration.get("name") in allowed
    ]
    return tuple(
        Tool(declaration["name"], declaration.get("parametersJsonSchema") or declaration.get("parameters") or {})
        for declaration in declarations
    )


def _calls(content: dict[str, Any]) -> list[dict[str, Any]]:
    calls = [_either(part, "functionCall", "function_call") for part in content.get("parts") or ()]
    return [call for call in calls if call]


def _result(part: dict[str, Any]) -> Any:
    return _either(part, "functionResponse", "function_response")


def _texts(content: dict[str, Any]) -> list[str]:
    """Text parts, and every string inside a function's response."""
    texts: list[str] = []
    for part in content.get("parts") or ():
        if isinstance(part.get("text"), str):
            texts.append(part["text"])
        texts.extend(strings_in((_result(part) or {}).get("response")))
    return texts


def _last_user_text(contents: list[dict[str, Any]]) -> str:
    for content in reversed(contents):
        said = [part["text"] for part in content.get("parts") or () if isinstance(part.get("text"), str)]
        if content.get("role", "user") == "user" and said:
            return "\n".join(said)
    return ""
