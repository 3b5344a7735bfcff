"""The types and bounds of the fields that chat completions have (OpenAI's API reference, chat/create).

Pure. Fields not named here are passed on: the API grows. Content is the provider's to judge.
"""

import re
from collections.abc import Callable

from gateway_shared.errors import BadRequest, JsonObject

MODEL_NAME = re.compile(r"[A-Za-z0-9._:/@-]{1,128}")
MAX_MESSAGES = 20_000
MAX_PARTS = 4_096
MAX_TOOLS = 512
MAX_CHOICES = 128

NEVER_ACCEPTED = frozenset(
    {"api_base", "base_url", "api_key", "extra_headers", "mock_response", "custom_llm_provider", "fallbacks"}
)
"""Members that would redirect or fake the provider call in a translating library (CVE-2024-6587 and kin)."""

_BOOLEAN, _INTEGER, _NUMBER, _STRING, _ARRAY, _OBJECT = "boolean", "integer", "number", "string", "array", "object"

_TYPES: dict[str, tuple[str, ...]] = {
    "audio": (_OBJECT,),
    "frequency_penalty": (_NUMBER,),
    "function_call": (_STRING, _OBJECT),
    "functions": (_ARRAY,),
    "logit_bias": (_OBJECT,),
    "logprobs": (_BOOLEAN,),
    "max_completion_tokens": (_INTEGER,),
    "max_tokens": (_INTEGER,),
    "metadata": (_OBJECT,),
    "modalities": (_ARRAY,),
    "n": (_INTEGER,),
    "parallel_tool_calls": (_BOOLEAN,),
    "prediction": (_OBJECT,),
    "presence_penalty": (_NUMBER,),
    "prompt_cache_key": (_STRING,),
    "reasoning_effort": (_STRING,),
    "response_format": (_OBJECT,),
    "safety_identifier": (_STRING,),
    "seed": (_INTEGER,),
    "service_tier": (_STRING,),
    "stop": (_STRING, _ARRAY),
    "store": (_BOOLEAN,),
    "stream": (_BOOLEAN,),
    "stream_options": (_OBJECT,),
    "temperature": (_NUMBER,),
    "tool_choice": (_STRING, _OBJECT),
    "tools": (_ARRAY,),
    "top_logprobs": (_INTEGER,),
    "top_p": (_NUMBER,),
    "user": (_STRING,),
    "verbosity": (_STRING,),
    "web_search_options": (_OBJECT,),
}


def check_chat_fields(body: JsonObject) -> None:
    """Raises BadRequest whose `param` names the first field that is wrong."""
    for name, value in body.items():
        if name in NEVER_ACCEPTED:
            raise BadRequest(f"The field '{name}' is not accepted.", param=name)
        if value is not None and name in _TYPES:
            _check_type(name, value, _TYPES[name])
    _check_model(body)
    _check_messages(body)
    _check_length("tools", body.get("tools"), MAX_TOOLS)
    _check_length("functions", body.get("functions"), MAX_TOOLS)
    choices = body.get("n")
    if isinstance(choices, int) and not 1 <= choices <= MAX_CHOICES:
        raise BadRequest(f"Invalid value for 'n': expected 1 to {MAX_CHOICES}.", param="n")
    options = body.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage") is not None:
        _check_type("stream_options.include_usage", options["include_usage"], (_BOOLEAN,))


def _check_model(body: JsonObject) -> None:
    model = body.get("model")
    if model is None:
        raise BadRequest("Missing required parameter: 'model'.", param="model")
    _check_type("model", model, (_STRING,))
    if not isinstance(model, str) or not MODEL_NAME.fullmatch(model):
        raise BadRequest("Invalid value for 'model': it is not a model name.", param="model")


def _check_messages(body: JsonObject) -> None:
    messages = body.get("messages")
    if messages is None:
        raise BadRequest("Missing required parameter: 'messages'.", param="messages")
    if not isinstance(messages, list):
        raise _wrong_type("messages", messages, (_ARRAY,))
    if not messages:
        raise BadRequest("Invalid 'messages': expected at least one message.", param="messages")
    _check_length("messages", messages, MAX_MESSAGES)
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            raise _wrong_type(f"messages[{index}]", message, (_OBJECT,))
        if not isinstance(message.get("role"), str):
            raise _wrong_type(f"messages[{index}].role", message.get("role"), (_STRING,))
        content = message.get("content")
        if content is not None and not isinstance(content, str):
            _check_type(f"messages[{index}].content", content, (_STRING, _ARRAY))
            _check_length(f"messages[{index}].content", content, MAX_PARTS)


def _check_length(path: str, value: object, longest: int) -> None:
    if isinstance(value, list) and len(value) > longest:
        raise BadRequest(f"Invalid '{path}': {len(value)} items, the most is {longest}.", param=path)


def _check_type(path: str, value: object, expected: tuple[str, ...]) -> None:
    if not any(_IS_OF_TYPE[name](value) for name in expected):
        raise _wrong_type(path, value, expected)


def _wrong_type(path: str, value: object, expected: tuple[str, ...]) -> BadRequest:
    got = "null" if value is None else next(name for name, is_of in _IS_OF_TYPE.items() if is_of(value))
    return BadRequest(f"Invalid type for '{path}': expected {' or '.join(expected)}, but got {got}.", param=path)


_IS_OF_TYPE: dict[str, Callable[[object], bool]] = {
    _BOOLEAN: lambda value: isinstance(value, bool),
    _INTEGER: lambda value: isinstance(value, int) and not isinstance(value, bool),
    _NUMBER: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    _STRING: lambda value: isinstance(value, str),
    _ARRAY: lambda value: isinstance(value, list),
    _OBJECT: lambda value: isinstance(value, dict),
}
