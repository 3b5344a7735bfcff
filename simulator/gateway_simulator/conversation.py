"""A request in no provider's words: what the plan of an answer needs to know of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class RequestInvalid(ValueError):
    """The provider would refuse this request as malformed. The simulator answers 400 in the provider's shape."""


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    parameters: Mapping[str, Any]
    """JSON schema of the arguments."""


@dataclass(frozen=True, slots=True)
class Conversation:
    model: str
    stream: bool
    texts: tuple[str, ...]
    """Every text in system and messages, tool results included: what counts as input."""
    last_user_text: str
    tool_result_last: bool
    called_tools: tuple[str, ...] = ()
    """Names called so far, oldest first."""
    tools: tuple[Tool, ...] = ()
    tool_required: bool = False
    named_tool: str | None = None
    tools_allowed: bool = True
    parallel_tool_calls: bool = True
    response_schema: Mapping[str, Any] | None = None
    json_object: bool = False
    choices: int = 1
    max_output_tokens: int | None = None
    stop_sequences: tuple[str, ...] = ()
    thinking_shown: bool = False
    include_usage: bool = False
    service_tier: str | None = None
    user: str | None = None
    metadata: Mapping[str, Any] | None = None


def require_object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RequestInvalid(f"{what}: expected an object")
    return value


def require_list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise RequestInvalid(f"{what}: expected an array")
    return value


def optional_count(value: Any, what: str) -> int | None:
    """Raises RequestInvalid for anything but a whole number from 1, or nothing."""
    if value is None or (type(value) is int and value >= 1):
        return value
    raise RequestInvalid(f"{what}: expected a whole number from 1")


def strings_in(value: Any) -> list[str]:
    """Every string inside a JSON value, in order; keys do not count."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings_in(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings_in(item)]
    return []
