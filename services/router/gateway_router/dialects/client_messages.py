"""A client's `messages`, checked and in the plainest form that says the same, before LiteLLM translates them. Pure.

LiteLLM leaves out what it does not know, fills in what it misses, and quotes messages in its errors. Here such
a message is a BadRequest whose `param` is its place; nothing that the client wrote is repeated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway_router.dialects.client_calls import ClientCalls
from gateway_shared.errors import BadRequest

Json = dict[str, Any]
OPENAI_PARTS = frozenset({"text", "image_url", "input_audio", "file", "refusal"})


@dataclass(frozen=True, slots=True)
class Turns:
    """What a provider's messages can hold: the types of content parts that are translated, by the message's role.

    `takes_empty`: texts without a character but white space, and a conversation of nothing but instructions.
    """

    parts: Mapping[str, frozenset[str]]
    takes_empty: bool


def plain_messages(messages: list[Any], turns: Turns) -> list[Json]:
    """The instructions (roles `system` and `developer`) in their order, then the conversation.

    There are only `system`, `user`, `assistant` and `tool` messages; the older `function_call` and its result
    have become a tool call. The messages are changed in place. Raises BadRequest.
    """
    if not messages:
        raise BadRequest("There has to be at least one message.", param="messages")
    calls = ClientCalls()
    instructions: list[Json] = []
    conversation: list[Json] = []
    for index, message in enumerate(messages):
        match _role(message, index):
            case "assistant":
                calls.check_calls(message, index)
            case "tool":
                calls.check_result(message, index)
            case "function":
                calls.answer_function(message, index)
        role = message["role"]
        _check_content(message, turns.parts[role], index)
        if not turns.takes_empty and _is_left_out(message, index):
            continue
        (instructions if role == "system" else conversation).append(message)
    if not conversation and not turns.takes_empty:
        raise BadRequest(
            "There has to be a message besides those of system, developer and an empty assistant.", param="messages"
        )
    return instructions + conversation


def _role(message: Any, index: int) -> str:
    if not isinstance(message, dict):
        raise BadRequest("A message has to be an object.", param=f"messages[{index}]")
    if message.get("role") == "developer":
        message["role"] = "system"
    match message.get("role"):
        case "system" | "user" | "assistant" | "tool" | "function" as role:
            return str(role)
    roles = "system, developer, user, assistant, tool and function"
    raise BadRequest(f"A message's role has to be one of {roles}.", param=f"messages[{index}].role")


def _check_content(message: Json, known: frozenset[str], index: int) -> None:
    content = message.get("content")
    if isinstance(content, str):
        return
    if not content and message["role"] in ("user", "system"):
        raise BadRequest("A message of this role has to have content.", param=f"messages[{index}].content")
    if content is None:
        # a refusal is what the assistant said
        refusal = message.get("refusal")
        message["content"] = refusal if isinstance(refusal, str) and refusal else None
        return
    if not isinstance(content, list):
        raise BadRequest("A message's content has to be text or a list of parts.", param=f"messages[{index}].content")
    for position, part in enumerate(content):
        fault = _fault_of(part, known)
        if fault is not None:
            member, words = fault
            raise BadRequest(words, param=f"messages[{index}].content[{position}]{member}")
        if part["type"] == "refusal":
            content[position] = {"type": "text", "text": part["refusal"]}


def _fault_of(part: Any, known: frozenset[str]) -> tuple[str, str] | None:
    """The member of a content part that is wrong, and the words for it."""
    if not isinstance(part, dict):
        return "", "A content part has to be an object."
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in known:
        subject = kind if isinstance(kind, str) and kind in OPENAI_PARTS else "This type"
        taken = ", ".join(sorted(known))
        return ".type", f"{subject} cannot be a content part of this role at this model's provider; known are {taken}."
    value = part.get(kind)
    match kind:
        case "text" | "refusal" if not isinstance(value, str):
            return f".{kind}", "The text of a content part has to be a string."
        case "image_url" if not _is_text(value.get("url") if isinstance(value, dict) else value):
            return f".{kind}", "A content part of type image_url has to have its url."
        case "input_audio" if not (isinstance(value, dict) and _is_text(value.get("data"), value.get("format"))):
            return f".{kind}", "A content part of type input_audio has to have its data and its format."
        case "file" if not (
            isinstance(value, dict) and (_is_text(value.get("file_data")) or _is_text(value.get("file_id")))
        ):
            return f".{kind}", "A content part of type file has to have its file_data or its file_id."
    return None


def _is_text(*values: object) -> bool:
    return all(isinstance(value, str) and value for value in values)


def _is_left_out(message: Json, index: int) -> bool:
    """Takes empty texts out of the message. Raises BadRequest for a user who says nothing.

    Whether nothing is left of the message, of the assistant or the system, so that leaving it out changes nothing.
    """
    content, role = message["content"], message["role"]
    if isinstance(content, str):
        content = content if content and not content.isspace() else None
    elif content:
        content = [part for part in content if part["type"] != "text" or part["text"].strip()]
    if content:
        message["content"] = content
        return False
    if role == "user":
        raise BadRequest(
            "A user's message must not be empty for this model's provider.", param=f"messages[{index}].content"
        )
    message["content"] = "" if role == "tool" else None
    return role == "system" or (role == "assistant" and not _has_more_than_words(message))


def _has_more_than_words(message: Json) -> bool:
    return any(message.get(name) for name in ("tool_calls", "thinking_blocks", "provider_specific_fields"))
