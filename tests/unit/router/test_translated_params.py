"""What Anthropic and Google are sent of a client's parameters where the translator alone would send something else."""

from typing import Any

import pytest

from tests.unit.router.test_translated_formats import (
    EVERY_CHOICE,
    JSON_TOOL,
    OLDER,
    VALUE,
    asking,
    read_stream,
    streamed,
    using,
)
from tests.unit.router.test_translated_messages import EITHER, HELLO, TOOL, calling, refused, sent

Json = dict[str, Any]
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}
THOUGHT = {"type": "thinking", "thinking": "a tool", "signature": "sig"}
MANUAL: Json = {"thinking": {"type": "enabled", "budget_tokens": 2000}}
SCHEMA: Json = {"type": "object", "properties": {"values": {"type": "array"}}}
BY_SCHEMA: Json = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
NAMED: Json = {"type": "function", "function": {"name": "weather"}}
TIME: Json = {"type": "function", "function": {"name": "time", "parameters": {"type": "object", "properties": {}}}}


def allowing(*names: object, mode: object = "auto") -> Json:
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


def asked(*calls: tuple[str, str], first: int = 0) -> list[Json]:
    """An assistant that calls all of them at once, and their results."""
    tool_calls = [
        {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for number, (name, arguments) in enumerate(calls, first)
    ]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": call["id"]} for call in tool_calls]
    return [{"role": "assistant", "content": None, "tool_calls": tool_calls}, *results]


def calls_of(turn: Json) -> list[tuple[str, Json]]:
    calls = [part["function_call"] for part in turn["parts"] if "function_call" in part]
    return [(call["name"], call["args"]) for call in calls]


# Google


@pytest.mark.parametrize("tier", ["auto", "AUTO", "default", "standard"])
def test_google_is_asked_for_no_tier_where_the_client_asks_for_none_that_costs_more(tier: str) -> None:
    assert sent("google", [HELLO], service_tier=tier) == sent("google", [HELLO])


@pytest.mark.parametrize("tier", ["flex", "priority"])
def test_a_tier_that_the_client_names_is_google_s(tier: str) -> None:
    assert sent("google", [HELLO], service_tier=tier)["serviceTier"] == tier


@EITHER
@pytest.mark.parametrize("arguments", ["", " \n", None])
def test_a_call_without_arguments_has_none(kind: str, arguments: object) -> None:
    empty = sent(kind, [HELLO, calling("{}"), RESULT])
    assert sent(kind, [HELLO, calling(arguments), RESULT]) == empty
    assert sent(kind, [HELLO, calling(function={"name": "weather"}), RESULT]) == empty


@EITHER
@pytest.mark.parametrize("more", [{"arguments": ""}, {"arguments": " "}, {"arguments": None}, {}])
def test_a_function_call_without_arguments_has_none(kind: str, more: Json) -> None:
    def called(more: Json) -> Json:
        call = {"role": "assistant", "content": None, "function_call": {"name": "weather", **more}}
        return sent(kind, [HELLO, call, {"role": "function", "name": "weather", "content": "sunny"}])

    assert called(more) == called({"arguments": "{}"})


def test_google_gets_as_many_calls_as_results_in_their_order() -> None:
    a, b, c = ("weather", '{"a": 1}'), ("time", "{}"), ("weather", '{"a": true}')  # equal, in Python
    messages = [HELLO, *asked(b), *asked(a, a, b, c, a, first=1), *asked(b, first=6), HELLO]
    turns = [turn for turn in sent("google", messages)["contents"] if turn["role"] == "model"]
    weather: tuple[str, Json] = ("weather", {"a": 1})
    time: tuple[str, Json] = ("time", {})
    assert [calls_of(turn) for turn in turns] == [[time], [weather, weather, time, weather, weather], [time]]
    assert [args["a"] for _, args in calls_of(turns[1]) if args] == [1, 1, True, 1]
    assert [args["a"] is True for _, args in calls_of(turns[1]) if args] == [False, False, True, False]


def test_what_google_s_model_said_stays_around_its_calls() -> None:
    call, result, other = asked(("time", "{}"), ("time", "{}"))
    said = call | {"content": "wait"}
    [_, turn, results] = sent("google", [HELLO, said, result, other])["contents"]
    call_part = {"function_call": {"name": "time", "args": {}}}
    assert turn["parts"] == [{"text": "wait"}, call_part, call_part]
    assert len(results["parts"]) == 2


@pytest.mark.parametrize(("mode", "sent_mode"), [("auto", "AUTO"), ("required", "ANY")])
def test_google_is_offered_the_tools_that_are_allowed(mode: str, sent_mode: str) -> None:
    body = sent("google", [HELLO], tools=[TOOL, TIME], tool_choice=allowing("time", mode=mode))
    [declared] = [each["name"] for tool in body["tools"] for each in tool["function_declarations"]]
    assert declared == "time"
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": sent_mode}}


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "allowed_tools"},
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": ["weather"]}},
        allowing("weather", mode="wat"),
        allowing("weather", "not offered"),
        allowing(["weather"]),
        {"type": "function"},
        {"type": "function", "function": {"name": ""}},
        {"type": "custom", "custom": {"name": "weather"}},
        {"type": ["function"]},
        {},
    ],
)
def test_a_choice_of_tools_that_google_cannot_take_is_refused_by_its_name(choice: Json) -> None:
    assert refused("google", [HELLO], tools=[TOOL], tool_choice=choice).param == "tool_choice"


def test_a_tool_that_is_named_is_the_one_that_google_calls() -> None:
    body = sent("google", [HELLO], tools=[TOOL, TIME], tool_choice=NAMED)
    assert body["toolConfig"]["functionCallingConfig"] == {"mode": "ANY", "allowed_function_names": ["weather"]}


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"type": "custom", "custom": {"name": "weather"}}, "tools[1].type"),
        ({"type": "custom", "name": "weather"}, "tools[1].type"),
        ({"type": "function"}, "tools[1].function"),
        ("weather", "tools[1]"),
    ],
)
def test_a_tool_that_google_would_not_be_told_of_is_refused(tool: object, param: str) -> None:
    assert refused("google", [HELLO], tools=[TOOL, tool]).param == param


@pytest.mark.parametrize(
    "tool", [{"googleSearch": {}}, {"type": "web_search"}, {"codeExecution": {}}, {"urlContext": {}}]
)
def test_google_s_own_tools_are_tools(tool: Json) -> None:
    [offered] = sent("google", [HELLO], tools=[tool])["tools"]
    assert offered


def test_google_is_asked_for_the_logprobs_of_other_tokens() -> None:
    config = sent("google", [HELLO], logprobs=True, top_logprobs=3)["generationConfig"]
    assert config == {"responseLogprobs": True, "logprobs": 3}
    assert sent("google", [HELLO], logprobs=True, top_logprobs=0)["generationConfig"] == {"responseLogprobs": True}


# Anthropic: a schema by a tool


@EVERY_CHOICE
@pytest.mark.parametrize("is_first", [True, False], ids=["before the format", "after the format"])
def test_a_schema_for_an_older_model_leaves_the_client_its_tools(
    choice: object, offered: list[str], sent_choice: Json, is_first: bool
) -> None:
    tools: Json = {"tools": [TOOL], "tool_choice": choice}
    by_schema = {"response_format": BY_SCHEMA}
    body = sent("anthropic", [HELLO], OLDER, **(tools | by_schema if is_first else by_schema | tools))
    assert [tool["name"] for tool in body["tools"]] == offered
    assert body["tool_choice"] == sent_choice
    assert [tool["input_schema"] for tool in body["tools"][1:]] == [SCHEMA] * (len(offered) - 1)


def test_a_schema_without_tools_is_the_tool_that_an_older_model_has_to_call() -> None:
    body = sent("anthropic", [HELLO], OLDER, response_format=BY_SCHEMA)
    assert body["tool_choice"] == {"type": "tool", "name": JSON_TOOL, "disable_parallel_tool_use": True}


def test_a_schema_s_tool_and_the_client_s_are_told_apart_in_a_stream() -> None:
    both = streamed(using(JSON_TOOL, VALUE), using("weather", {"a": 1}, 2))
    _, called, finished = read_stream(asking(True, OLDER, response_format=BY_SCHEMA, tools=[TOOL]), both)
    assert (called, finished) == (["weather"], ["tool_calls"])


def test_an_older_model_that_thinks_may_give_its_json_by_the_tool() -> None:
    body = sent("anthropic", [HELLO], "claude-3-7-sonnet-20250219", response_format=BY_SCHEMA, **MANUAL)
    assert [tool["name"] for tool in body["tools"]] == [JSON_TOOL]
    assert "tool_choice" not in body
    assert body["thinking"] == MANUAL["thinking"]


# Anthropic: thinking


@pytest.mark.parametrize("more", [MANUAL, {"reasoning_effort": "low"}])
def test_claude_does_not_think_on_where_its_thoughts_were_not_given_back(more: Json) -> None:
    for loop in ([calling(), RESULT], [calling() | {"content": "wait"}, RESULT, calling(), RESULT]):
        assert sent("anthropic", [HELLO, *loop], tools=[TOOL], **more) == sent(
            "anthropic", [HELLO, *loop], tools=[TOOL]
        )


@pytest.mark.parametrize(
    "messages",
    [
        [HELLO, calling() | {"thinking_blocks": [THOUGHT]}, RESULT],
        [HELLO, calling() | {"thinking_blocks": [{"type": "redacted_thinking", "data": "AAAA"}]}, RESULT],
        [HELLO, calling() | {"thinking_blocks": [THOUGHT]}, RESULT, calling(), RESULT],  # as it is: not interleaved
        [HELLO, calling(), RESULT, {"role": "assistant", "content": "sunny"}, HELLO],
        [HELLO, {"role": "assistant", "content": "hi"}, HELLO],
    ],
)
def test_claude_thinks_where_they_were_or_are_not_asked_for(messages: list[Json]) -> None:
    assert sent("anthropic", messages, tools=[TOOL], **MANUAL)["thinking"] == MANUAL["thinking"]


def test_claude_that_thinks_when_it_likes_goes_on_to() -> None:
    body = sent("anthropic", [HELLO, calling(), RESULT], "claude-opus-4-7", tools=[TOOL], reasoning_effort="low")
    assert body["thinking"]["type"] == "adaptive"
    assert body["output_config"] == {"effort": "low"}


@pytest.mark.parametrize("choice", ["required", NAMED])
@pytest.mark.parametrize("more", [MANUAL, {"reasoning_effort": "low"}])
def test_a_tool_cannot_be_forced_while_claude_thinks(choice: object, more: Json) -> None:
    error = refused("anthropic", [HELLO], tools=[TOOL], tool_choice=choice, **more)
    assert error.param == "tool_choice"
    loop = [HELLO, calling(), RESULT]  # where it does not
    assert "thinking" not in sent("anthropic", loop, tools=[TOOL], tool_choice=choice, **more)


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_a_tool_can_be_left_to_claude_while_it_thinks(choice: str) -> None:
    body = sent("anthropic", [HELLO], tools=[TOOL], tool_choice=choice, **MANUAL)
    assert (body["tool_choice"], body["thinking"]) == ({"type": choice}, MANUAL["thinking"])


@pytest.mark.parametrize("more", [MANUAL, {"reasoning_effort": "low"}, {"reasoning_effort": "high"}])
def test_thoughts_do_not_make_an_answer_shorter(more: Json) -> None:
    longest = sent("anthropic", [HELLO])["max_tokens"]
    body = sent("anthropic", [HELLO], **more)
    assert body["max_tokens"] == longest > body["thinking"]["budget_tokens"]


def test_a_model_of_which_no_maximum_is_known_has_room_beside_its_thoughts() -> None:
    body = sent("anthropic", [HELLO], "claude-3-7-sonnet-20250219", reasoning_effort="high")
    assert body["max_tokens"] > body["thinking"]["budget_tokens"] == 4096


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize(
    ("effort", "limit", "budget"),
    [
        ("low", 1000, None),
        ("low", 1024, None),
        ("low", 1025, 1024),
        ("high", 1025, 1024),
        ("high", 3000, 1500),
        ("high", 4096, 2048),
        ("high", 4097, 4096),
    ],
)
def test_an_effort_s_thoughts_fit_into_the_client_s_limit(
    name: str, effort: str, limit: int, budget: int | None
) -> None:
    params: Json = {"reasoning_effort": effort, name: limit}
    body = sent("anthropic", [HELLO], **params)
    assert body["max_tokens"] == limit
    assert body.get("thinking", {}).get("budget_tokens") == budget


def test_a_budget_of_the_client_s_own_is_sent_as_it_is() -> None:
    body = sent("anthropic", [HELLO], max_tokens=1500, **MANUAL)
    assert (body["thinking"], body["max_tokens"]) == (MANUAL["thinking"], 1500)
