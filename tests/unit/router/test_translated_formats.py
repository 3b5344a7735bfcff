"""The form of an answer that a client asks Anthropic or Google for: JSON, and nothing but text."""

import json
from typing import Any

import orjson
import pytest

from gateway_router.configuration import Provider
from gateway_router.dialects.anthropic import AnthropicTranslation
from gateway_router.dialects.dialect import ChatCall
from gateway_shared.settings import Secret
from tests.unit.router.test_translated_messages import EITHER, HELLO, TOOL, refused, sent

Json = dict[str, Any]
JSON_OBJECT = {"type": "json_object"}
JSON_TOOL = "json_tool_call"
OLDER = "claude-3-5-haiku-20241022"
"""Without structured output of its own: a schema, too, goes by the tool."""
VALUE = {"values": [1, 2.50], "text": "costs 1.50 in room 5", "ä": None}
"""With what a careless reader of pieces, or of LiteLLM's wrapper `values`, would lose."""


EVERY_CHOICE = pytest.mark.parametrize(
    ("choice", "offered", "sent_choice"),
    [
        (None, ["weather", JSON_TOOL], {"type": "any"}),
        ("auto", ["weather", JSON_TOOL], {"type": "any"}),
        ("none", ["weather", JSON_TOOL], {"type": "tool", "name": JSON_TOOL, "disable_parallel_tool_use": True}),
        ("required", ["weather"], {"type": "any"}),
        ({"type": "function", "function": {"name": "weather"}}, ["weather"], {"type": "tool", "name": "weather"}),
    ],
)
"""A client's choice of its own tool beside the one for JSON, which tools are offered, and what Claude is told."""


def asking(stream: bool = False, model: str = "claude-sonnet-4-5", **more: Any) -> AnthropicTranslation:
    body = {"messages": [HELLO], "response_format": JSON_OBJECT, **more}
    call = ChatCall(model, stream, None, False, orjson.dumps(body), "id", 1)
    return AnthropicTranslation(call, Provider.of("anthropic", name="anthropic", api_key=Secret("a-key")))


def said(*blocks: Json, stop_reason: str = "tool_use") -> bytes:
    """Anthropic's plain answer."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5"}
    usage = {"input_tokens": 5, "output_tokens": 7}
    return orjson.dumps({**message, "content": blocks, "stop_reason": stop_reason, "usage": usage})


def using(name: str, value: Json, number: int = 1) -> Json:
    return {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": value}


def streamed(*blocks: Json, piece: int = 1) -> bytes:
    """Anthropic's stream of tool calls, their arguments cut into pieces of that many characters."""
    start = {"id": "msg_1", "model": "claude-sonnet-4-5", "usage": {"input_tokens": 5, "output_tokens": 1}}
    events: list[Json] = [{"type": "message_start", "message": start}]
    for index, block in enumerate(blocks):
        opened = {"type": "content_block_start", "index": index, "content_block": {**block, "input": {}}}
        events += [opened, input_delta(index, "")]
        text = json.dumps(block["input"], ensure_ascii=False) if block["input"] else ""
        events += [input_delta(index, text[at : at + piece]) for at in range(0, len(text), piece)]
        events.append({"type": "content_block_stop", "index": index})
    events += [
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    ]
    return b"".join(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), orjson.dumps(event)) for event in events)


def input_delta(index: int, text: str) -> Json:
    return {
        "type": "content_block_delta",
        "index": index,
        "delta": {"type": "input_json_delta", "partial_json": text},
    }


def read_stream(translation: AnthropicTranslation, data: bytes) -> tuple[str, list[str], list[str]]:
    """Text, names of tools called, finish reasons."""
    stream = translation.stream({})
    relayed = stream.feed(data) + stream.end()
    assert stream.failure is None
    chunks = [json.loads(line[6:]) for line in relayed.decode().splitlines() if line.startswith("data: ")]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    calls = [call for choice in choices for call in choice["delta"].get("tool_calls") or ()]
    return (
        "".join(choice["delta"].get("content") or "" for choice in choices),
        [call["function"]["name"] for call in calls if call["function"].get("name")],
        [choice["finish_reason"] for choice in choices if choice["finish_reason"]],
    )


def test_json_without_a_schema_is_the_arguments_of_a_tool_that_anthropic_has_to_call() -> None:
    body = json.loads(asking().request.body)
    [tool] = body["tools"]
    assert tool["name"] == JSON_TOOL
    assert tool["input_schema"] == {"type": "object", "properties": {}, "additionalProperties": True}
    assert body["tool_choice"] == {"type": "tool", "name": JSON_TOOL, "disable_parallel_tool_use": True}
    assert "output_config" not in body


@pytest.mark.parametrize("value", [VALUE, {}])
def test_they_are_the_answer_s_text(value: Json) -> None:
    answer = json.loads(asking().answer(said(using(JSON_TOOL, value)), {}).body)
    [choice] = answer["choices"]
    assert json.loads(choice["message"]["content"]) == value
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] == 7


@pytest.mark.parametrize("piece", [1, 3, 5, 1000])
@pytest.mark.parametrize("value", [VALUE, {}])
def test_they_are_a_stream_s_text_however_they_are_cut(value: Json, piece: int) -> None:
    text, called, finished = read_stream(asking(stream=True), streamed(using(JSON_TOOL, value), piece=piece))
    assert json.loads(text) == value
    assert (called, finished) == ([], ["stop"])


def test_an_answer_that_was_cut_by_the_limit_says_so() -> None:
    answer = json.loads(asking().answer(said(using(JSON_TOOL, VALUE), stop_reason="max_tokens"), {}).body)
    assert answer["choices"][0]["finish_reason"] == "length"


@EVERY_CHOICE
def test_the_client_s_own_tools_can_be_called_as_it_chose(
    choice: object, offered: list[str], sent_choice: Json
) -> None:
    body = json.loads(asking(tools=[TOOL], tool_choice=choice).request.body)
    assert [tool["name"] for tool in body["tools"]] == offered
    assert body["tool_choice"] == sent_choice


def test_a_call_of_the_client_s_own_tool_is_one() -> None:
    translation = asking(tools=[TOOL])
    answer = json.loads(translation.answer(said(using("weather", {"a": 1})), {}).body)
    [call] = answer["choices"][0]["message"]["tool_calls"]
    assert (call["function"]["name"], answer["choices"][0]["finish_reason"]) == ("weather", "tool_calls")
    both = streamed(using(JSON_TOOL, VALUE), using("weather", {"a": 1}, 2))
    text, called, finished = read_stream(asking(stream=True, tools=[TOOL]), both)
    assert (json.loads(text), called, finished) == (VALUE, ["weather"], ["tool_calls"])


def test_a_tool_of_the_client_s_with_that_very_name_stays_a_tool() -> None:
    named: Json = {"type": "function", "function": {"name": JSON_TOOL, "parameters": {"type": "object"}}}
    translation = asking(tools=[named], response_format=None)
    answer = json.loads(translation.answer(said(using(JSON_TOOL, VALUE)), {}).body)
    assert [call["function"]["name"] for call in answer["choices"][0]["message"]["tool_calls"]] == [JSON_TOOL]


def test_a_second_object_is_not_appended_to_the_first() -> None:
    blocks = using(JSON_TOOL, VALUE), using(JSON_TOOL, {"b": 2}, 2)
    answer = json.loads(asking(tools=[TOOL]).answer(said(*blocks), {}).body)
    assert json.loads(answer["choices"][0]["message"]["content"]) == VALUE
    assert json.loads(read_stream(asking(stream=True, tools=[TOOL]), streamed(*blocks))[0]) == VALUE


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_schema_for_an_older_model_goes_by_the_same_tool(stream: bool) -> None:
    schema = {"type": "object", "properties": {"values": {"type": "array"}}}
    translation = asking(
        stream, OLDER, response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    )
    assert [tool["name"] for tool in json.loads(translation.request.body)["tools"]] == [JSON_TOOL]
    if stream:
        text = read_stream(translation, streamed(using(JSON_TOOL, VALUE)))[0]
    else:
        answer = translation.answer(said(using(JSON_TOOL, VALUE)), {})
        text = json.loads(answer.body)["choices"][0]["message"]["content"]
    assert json.loads(text) == VALUE


@pytest.mark.parametrize(
    "more", [{"reasoning_effort": "low"}, {"thinking": {"type": "enabled", "budget_tokens": 2000}}]
)
def test_a_model_that_thinks_cannot_be_made_to_call_a_tool(more: Json) -> None:
    error = refused("anthropic", [HELLO], response_format=JSON_OBJECT, **more)
    assert error.param == "response_format"
    assert "json_schema" in error.message


def test_google_has_json_of_its_own() -> None:
    generation = sent("google", [HELLO], response_format=JSON_OBJECT)["generationConfig"]
    assert generation["response_mime_type"] == "application/json"


@EITHER
@pytest.mark.parametrize(
    ("response_format", "param"),
    [
        ({"type": "wat"}, "response_format.type"),
        ({"type": ["text"]}, "response_format.type"),
        ({}, "response_format.type"),
        ("json", "response_format"),
        ({"type": "json_schema"}, "response_format.json_schema.schema"),
        ({"type": "json_schema", "json_schema": {"name": "n"}}, "response_format.json_schema.schema"),
    ],
)
def test_a_format_that_is_none_is_refused(kind: str, response_format: object, param: str) -> None:
    assert refused(kind, [HELLO], response_format=response_format).param == param


def test_text_is_the_format_of_every_answer() -> None:
    assert sent("anthropic", [HELLO], response_format={"type": "text"}) == sent("anthropic", [HELLO])


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"modalities": "audio"}, "modalities"),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
        ({"functions": [TOOL["function"]]}, "functions"),
        ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "allowed_tools": {}}}, "tool_choice"),
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
    ],
)
def test_what_would_change_an_answer_of_anthropic_s_is_refused_by_its_name(more: Json, param: str) -> None:
    assert refused("anthropic", [HELLO], **more).param == param


def test_text_alone_is_a_modality() -> None:
    assert sent("anthropic", [HELLO], modalities=["text"]) == sent("anthropic", [HELLO])
