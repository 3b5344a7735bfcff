"""Claude's manual thinking (`thinking` of type `enabled`) in a request to Anthropic, where it would be refused. Pure.

Adaptive thinking, of newer models, is left alone. Source: Anthropic's guide to extended thinking.
"""

from typing import Any

from gateway_shared.errors import BadRequest

Json = dict[str, Any]

MIN_BUDGET_TOKENS = 1024
ROOM_TOKENS = 4096
"""For the answer, beside the thoughts of a model whose maximum is not above their budget."""


def fit_thinking(request: Json, *, limit: int | None, by_effort: bool) -> None:
    """Leaves thinking out, or lets it be shorter, where Anthropic would refuse the request for it.

    `limit`: the client's own, in tokens; without one the request has the model's maximum. `by_effort`: the
    budget is of our making, the client has only said how hard to think.
    """
    if not _thinks(request):
        return
    if _lacks_thoughts(request["messages"]) or (by_effort and limit is not None and limit <= MIN_BUDGET_TOKENS):
        del request["thinking"]
        return
    budget = request["thinking"].get("budget_tokens")
    if not isinstance(budget, int) or budget < request["max_tokens"]:
        return
    if limit is None:
        request["max_tokens"] = budget + ROOM_TOKENS
    elif by_effort:
        request["thinking"]["budget_tokens"] = max(MIN_BUDGET_TOKENS, limit // 2)


def check_tool_choice(request: Json) -> None:
    """Raises BadRequest for a tool that has to be called by a model that thinks."""
    if _thinks(request) and (request.get("tool_choice") or {}).get("type") in ("any", "tool"):
        raise BadRequest(
            "A tool cannot be forced while the model thinks (reasoning_effort, thinking).", param="tool_choice"
        )


def _thinks(request: Json) -> bool:
    thinking = request.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") == "enabled"


def _lacks_thoughts(messages: list[Json]) -> bool:
    """Whether the tool loop at the end has lost the thoughts that it has to start with.

    OpenAI's clients do not send them back. Later calls of a loop have none of their own.
    """
    loop: list[Json] = []
    for message in reversed(messages):
        if message["role"] == "user" and not _blocks(message, "tool_result"):
            break
        loop.insert(0, message)
    said = [message for message in loop if message["role"] == "assistant"]
    return any(_blocks(message, "tool_use") for message in said) and not _blocks(
        said[0], "thinking", "redacted_thinking"
    )


def _blocks(message: Json, *types: str) -> bool:
    content = message["content"]
    return isinstance(content, list) and any(block.get("type") in types for block in content)
