"""A client's parameters for Gemini, where LiteLLM would leave something out or ask for something else. Pure."""

from typing import Any

from gateway_shared.errors import BadRequest

Json = dict[str, Any]

ORDINARY_TIERS = frozenset({"auto", "default", "standard"})
"""Of `service_tier`: no more than a client gets that says nothing. LiteLLM buys `priority` for `auto`."""
_TYPES = frozenset({"web_search", "web_search_preview", "computer_use"})
_NATIVE_TOOLS = frozenset(
    [
        *("codeExecution", "code_execution", "googleSearch", "google_search", "urlContext", "url_context"),
        *("googleSearchRetrieval", "google_search_retrieval", "enterpriseWebSearch", "enterprise_web_search"),
        *("googleMaps", "google_maps", "computerUse", "computer_use"),
    ]
)
"""Gemini's own, each an object with that one member."""


def plain_params(params: Json) -> Json:
    """The parameters that say the same in a form that LiteLLM translates whole. Raises BadRequest."""
    plain = dict(params)
    tier = plain.get("service_tier")
    if isinstance(tier, str) and tier.lower() in ORDINARY_TIERS:
        del plain["service_tier"]
    if plain.get("top_logprobs") == 0:
        del plain["top_logprobs"]
    tools = plain.get("tools")
    if tools is not None:
        _check_tools(tools)
    choice = plain.get("tool_choice")
    if isinstance(choice, dict):
        if choice.get("type") == "allowed_tools":
            plain["tools"], plain["tool_choice"] = _allowed(choice.get("allowed_tools"), tools or [])
        elif choice.get("type") != "function" or not _name(choice):
            raise _refused("tool_choice has to be none, auto, required, a function or allowed_tools.")
    return plain


def _check_tools(tools: Any) -> None:
    if not isinstance(tools, list):
        raise BadRequest("tools has to be a list.", param="tools")
    for index, tool in enumerate(tools):
        at = f"tools[{index}]"
        if not isinstance(tool, dict):
            raise BadRequest("A tool has to be an object.", param=at)
        kind = tool.get("type", "function" if "function" in tool else None)
        if kind == "function":
            if not _name(tool) and not isinstance(tool.get("name"), str):
                raise BadRequest("A tool of type function has to have a function with a name.", param=f"{at}.function")
        elif kind not in _TYPES and not (len(tool.keys() - {"type"}) == 1 and tool.keys() & _NATIVE_TOOLS):
            raise BadRequest("A tool has to be of type function for this model's provider.", param=f"{at}.type")


def _allowed(allowed: Any, tools: list[Json]) -> tuple[list[Json], str]:
    """The tools to offer and how to choose of them: Gemini's own list of allowed names is not for `auto`."""
    if not isinstance(allowed, dict) or allowed.get("mode") not in ("auto", "required"):
        raise _refused("allowed_tools has to have a mode, auto or required, and tools.")
    listed = allowed.get("tools")
    names = [_name(tool) for tool in listed] if isinstance(listed, list) else []
    offered = [tool for tool in tools if _name(tool) in names]
    if not names or None in names or not set(names) <= {_name(tool) for tool in offered}:
        raise _refused("allowed_tools has to name functions that are among the tools.")
    return offered, str(allowed["mode"])


def _name(tool: Any) -> str | None:
    function = tool.get("function") if isinstance(tool, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) and name else None


def _refused(words: str) -> BadRequest:
    return BadRequest(words, param="tool_choice")
