"""The types and bounds of the fields that chat completions have (OpenAI's API reference, chat/create).

Pure. Fields not named here are passed on: the API grows. Content is the provider's to judge.
"""

import re

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

_JSON_TYPES: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
"""Where a number is expected, an integer is one."""

_TYPES: dict[str, tuple[type, ...]] = {
    "audio": (dict,),
    "frequency_penalty": (float,),
    "function_call": (str, dict),
    "functions": (list,),
    "logit_bias": (dict,),
    "logprobs": (bool,),
    "max_completion_tokens": (int,),
    "max_tokens": (int,),
    "metadata": (dict,),
    "modalities": (list,),
    "n": (int,),
    "parallel_tool_calls": (bool,),
    "prediction": (dict,),
    "presence_penalty": (float,),
    "prompt_cache_key": (str,),
    "reasoning_effort": (str,),
    "response_format": (dict,),
    "safety_identifier": (str,),
    "seed": (int,),
    "service_tier": (str,),
    "stop": (str, list),
    "store": (bool,),
    "stream": (bool,),
    "stream_options": (dict,),
    "temperature": (float,),
    "tool_choice": (str, dict),
    "tools": (list,),
    "top_logprobs": (int,),
    "top_p": (float,),
    "user": (str,),
    "verbosity": (str,),
    "web_search_options": (dict,),
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
        _check_type("stream_options.include_usage", options["include_usage"], (bool,))


def _check_model(body: JsonObject) -> None:
    model = body.get("model")
    if model is None:
        raise BadRequest("Missing required parameter: 'model'.", param="model")
    _check_type("model", model, (str,))
    if not isinstance(model, str) or not MODEL_NAME.fullmatch(model):
        raise BadRequest("Invalid value for 'model': it is not a model name.", param="model")


def _check_messages(body: JsonObject) -> None:
    messages = body.get("messages")
    if messages is None:
        raise BadRequest("Missing required parameter: 'messages'.", param="messages")
    if not isinstance(messages, list):
        raise _wrong_type("messages", messages, (list,))
    if not messages:
        raise BadRequest("Invalid 'messages': expected at least one message.", param="messages")
    _check_length("messages", messages, MAX_MESSAGES)
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            raise _wrong_type(f"messages[{index}]", message, (dict,))
        if not isinstance(message.get("role"), str):
            raise _wrong_type(f"messages[{index}].role", message.get("role"), (str,))
        content = message.get("content")
        if content is not None and not isinstance(content, str):
            _check_type(f"messages[{index}].content", content, (str, list))
            _check_length(f"messages[{index}].content", content, MAX_PARTS)


def _check_length(path: str, value: object, longest: int) -> None:
    if isinstance(value, list) and len(value) > longest:
        raise BadRequest(f"Invalid '{path}': {len(value)} items, the most is {longest}.", param=path)


def _check_type(path: str, value: object, expected: tuple[type, ...]) -> None:
    """By exact type, as JSON has it: True is no integer."""
    kind = type(value)
    if kind not in expected and not (kind is int and float in expected):
        raise _wrong_type(path, value, expected)


def _wrong_type(path: str, value: object, expected: tuple[type, ...]) -> BadRequest:
    names = " or ".join(_JSON_TYPES[kind] for kind in expected)
    got = _JSON_TYPES.get(type(value), "null")
    return BadRequest(f"Invalid type for '{path}': expected {names}, but got {got}.", param=path)
