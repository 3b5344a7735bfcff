"""Anthropic's wire, event by event."""

from typing import Any

import pytest

from tests.unit.simulator.running import ANTHROPIC_HEADERS, Simulator, events_of

TOOL = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


async def streamed(simulator: Simulator, text: str, **members: Any) -> list[dict[str, Any]]:
    response = await simulator.anthropic(text, stream=True, **members)
    assert response.content_type == "text/event-stream"
    body = await response.text()
    events = events_of(body)
    assert [line.removeprefix("event: ") for line in body.splitlines() if line.startswith("event: ")] == [
        event["type"] for event in events
    ]
    return events


async def test_a_plain_answer(simulator: Simulator) -> None:
    response = await simulator.anthropic("hello there", system=[{"type": "text", "text": "be brief"}])
    message = await response.json()
    assert message["id"].startswith("msg_")
    assert (message["type"], message["role"]) == ("message", "assistant")
    assert message["model"] == "claude-sonnet-4-5-20250929"
    assert message["content"] == [{"type": "text", "text": "You said: hello there"}]
    assert (message["stop_reason"], message["stop_sequence"]) == ("end_turn", None)
    assert message["usage"] == {
        "input_tokens": 4,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 4,
        "service_tier": "standard",
    }


async def test_input_tokens_leave_out_the_cache(simulator: Simulator) -> None:
    response = await simulator.anthropic(
        "[[sim input=8 cached=1000 cache_write=30 cache_write_1h=4 reasoning=7 words=3]]"
    )
    usage = (await response.json())["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (8, 1000, 3 + 7)
    assert usage["cache_creation_input_tokens"] == 34
    assert usage["cache_creation"] == {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 4}


async def test_a_stream_goes_block_by_block(simulator: Simulator) -> None:
    events = await streamed(simulator, "hello [[sim cached=3]]")
    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        "ping",
        *["content_block_delta"] * 3,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert "".join(event["delta"]["text"] for event in events[3:6]) == "You said: hello"
    start, delta = events[0]["message"], events[-2]
    assert (start["content"], start["usage"]["input_tokens"], start["usage"]["output_tokens"]) == ([], 3, 1)
    assert delta["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert delta["usage"] == {
        "input_tokens": 3,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 3,
        "output_tokens": 3,
    }


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "get_weather"}])
async def test_a_tool_is_used(simulator: Simulator, choice: dict[str, str]) -> None:
    response = await simulator.anthropic("In 'Paris'", tools=[TOOL], tool_choice=choice)
    message = await response.json()
    (block,) = message["content"]
    assert (block["type"], block["name"], block["input"]) == ("tool_use", "get_weather", {"city": "Paris"})
    assert (message["stop_reason"], message["usage"]["output_tokens"]) == ("tool_use", 2)

    events = await streamed(simulator, "In 'Paris'", tools=[TOOL], tool_choice=choice)
    opening = events[1]["content_block"]
    assert (opening["type"], opening["name"], opening["input"]) == ("tool_use", "get_weather", {})
    pieces = [event["delta"]["partial_json"] for event in events if event["type"] == "content_block_delta"]
    assert (pieces[0], "".join(pieces)) == ("", '{"city":"Paris"}')


async def test_a_tool_result_is_answered_in_words(simulator: Simulator) -> None:
    messages = [
        {"role": "user", "content": "weather? [[sim tool]]"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "get_weather", "input": {}}]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "18 degrees"}]}
            ],
        },
    ]
    response = await simulator.anthropic("", messages=messages, tools=[TOOL])
    message = await response.json()
    assert message["content"] == [{"type": "text", "text": "The tool said: 18 degrees"}]
    assert message["usage"]["input_tokens"] == 3 + 2


@pytest.mark.parametrize("member", ["output_format", "output_config"])
async def test_structured_output(simulator: Simulator, member: str) -> None:
    wanted = {"type": "json_schema", "schema": {"type": "object", "properties": {"n": {"type": "integer"}}}}
    response = await simulator.anthropic("hi", **{member: wanted if member == "output_format" else {"format": wanted}})
    assert (await response.json())["content"][0]["text"] == '{"n":1}'


async def test_thinking_is_shown_signed_and_counted(simulator: Simulator) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    message = await (await simulator.anthropic("hi [[sim reasoning=4]]", thinking=thinking)).json()
    assert [block["type"] for block in message["content"]] == ["thinking", "text"]
    assert message["content"][0]["signature"]
    assert message["usage"]["output_tokens"] == 3 + 4

    events = await streamed(simulator, "hi [[sim reasoning=4]]", thinking=thinking)
    kinds = [event["delta"]["type"] for event in events if event["type"] == "content_block_delta"]
    assert kinds == ["thinking_delta"] * 4 + ["signature_delta"] + ["text_delta"] * 3
    assert events[-2]["usage"]["output_tokens"] == 3 + 4


@pytest.mark.parametrize(
    ("text", "members", "stop_reason", "stop_sequence"),
    [
        ("[[sim refusal]]", {}, "refusal", None),
        ("one two three", {"max_tokens": 3}, "max_tokens", None),
        ("one two three", {"stop_sequences": ["two"]}, "stop_sequence", "two"),
        ("hi [[sim finish=length]]", {}, "max_tokens", None),
    ],
)
async def test_why_it_stopped(
    simulator: Simulator, text: str, members: dict[str, Any], stop_reason: str, stop_sequence: str | None
) -> None:
    plain = await (await simulator.anthropic(text, **members)).json()
    delta = (await streamed(simulator, text, **members))[-2]["delta"]
    assert (plain["stop_reason"], plain["stop_sequence"]) == (stop_reason, stop_sequence)
    assert delta == {"stop_reason": stop_reason, "stop_sequence": stop_sequence}


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({"anthropic-version": "2023-06-01"}, 401, "authentication_error"),
        ({"x-api-key": "", "anthropic-version": "2023-06-01"}, 401, "authentication_error"),
        ({"x-api-key": "key"}, 400, "invalid_request_error"),
    ],
)
async def test_key_and_version_are_required(
    simulator: Simulator, headers: dict[str, str], status: int, kind: str
) -> None:
    response = await simulator.post("/anthropic/v1/messages", {}, headers)
    document = await response.json()
    assert (response.status, document["type"], document["error"]["type"]) == (status, "error", kind)


@pytest.mark.parametrize(("status", "kind"), [(429, "rate_limit_error"), (529, "overloaded_error"), (502, "api_error")])
async def test_scripted_errors_have_anthropics_shape(simulator: Simulator, status: int, kind: str) -> None:
    response = await simulator.anthropic(f"[[sim status={status} retry_after=7]]", stream=True)
    document = await response.json()
    assert (response.status, response.headers["Retry-After"]) == (status, "7")
    assert (document["type"], document["error"]["type"]) == ("error", kind)


@pytest.mark.parametrize("missing", ["model", "max_tokens", "messages"])
async def test_a_missing_member_is_a_400(simulator: Simulator, missing: str) -> None:
    body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
    del body[missing]
    response = await simulator.post("/anthropic/v1/messages", body, ANTHROPIC_HEADERS)
    assert response.status == 400
    assert (await response.json())["error"]["message"] == f"{missing}: Field required"
