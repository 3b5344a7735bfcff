"""What Anthropic and Google are sent of a client's messages, and what the client is told of those they cannot take."""

import json
from typing import Any

import orjson
import pytest

from gateway_router.configuration import Provider
from gateway_router.dialects.anthropic import AnthropicTranslation
from gateway_router.dialects.dialect import ChatCall, Translate
from gateway_router.dialects.gemini import GeminiTranslation
from gateway_shared.errors import BadRequest
from gateway_shared.settings import Secret

Json = dict[str, Any]
SECRET = "not json secret"
"""What a client wrote: no error repeats it."""
DIALECTS: dict[str, Translate] = {"anthropic": AnthropicTranslation, "google": GeminiTranslation}
MODELS = {"anthropic": "claude-sonnet-4-5", "google": "gemini-2.5-flash"}
EITHER = pytest.mark.parametrize("kind", DIALECTS)

HELLO = {"role": "user", "content": "hello"}
TEXT = {"type": "text", "text": "what is it?"}
AUDIO = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def sent(kind: str, messages: object, model: str | None = None, **more: Any) -> Json:
    """The body that the provider gets."""
    call = ChatCall(model or MODELS[kind], False, None, False, orjson.dumps({"messages": messages, **more}), "id", 1)
    translation = DIALECTS[kind](call, Provider.of(kind, name=kind, api_key=Secret("a-key")))
    body: Json = json.loads(translation.request.body)
    return body


def refused(kind: str, messages: object, **more: Any) -> BadRequest:
    """What the client is told; of its own content, and of the library that we use, there is nothing in it."""
    with pytest.raises(BadRequest) as raised:
        sent(kind, messages, **more)
    told = json.dumps(raised.value.as_object())
    assert SECRET not in told
    assert "litellm" not in told.lower()
    assert (raised.value.status, raised.value.type) == (400, "invalid_request_error")
    return raised.value


def calling(arguments: object = "{}", **more: object) -> Json:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [call | more]}


def system_of(kind: str, body: Json) -> list[str]:
    """The texts of the instructions, in order."""
    parts = body["system"] if kind == "anthropic" else body["system_instruction"]["parts"]
    return [part["text"] for part in parts]


@EITHER
def test_a_developer_s_message_is_a_system_message(kind: str) -> None:
    developer, system = (sent(kind, [{"role": role, "content": "be brief"}, HELLO]) for role in ("developer", "system"))
    assert developer == system
    assert system_of(kind, developer) == ["be brief"]


@EITHER
def test_instructions_from_anywhere_in_the_conversation_go_to_the_top_in_their_order(kind: str) -> None:
    messages = [
        {"role": "system", "content": "one"},
        HELLO,
        {"role": "assistant", "content": "hi"},
        {"role": "developer", "content": [{"type": "text", "text": "two"}]},
        {"role": "user", "content": "go on"},
        {"role": "system", "content": "three"},
    ]
    body = sent(kind, messages)
    assert system_of(kind, body) == ["one", "two", "three"]
    turns = body["messages"] if kind == "anthropic" else body["contents"]
    texts = [part["text"] for turn in turns for part in turn["content" if kind == "anthropic" else "parts"]]
    assert texts == ["hello", "hi", "go on"]


@EITHER
@pytest.mark.parametrize("arguments", [SECRET, '{"a": 1', '["not an object"]', "3", 3, {"a": 1}])
def test_arguments_that_are_no_json_object_are_named_and_not_quoted(kind: str, arguments: object) -> None:
    messages = [HELLO, {"role": "assistant", "content": "wait"}, calling(arguments)]
    assert refused(kind, messages).param == "messages[2].tool_calls[0].function.arguments"


@EITHER
@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([], "messages"),
        ([HELLO, SECRET], "messages[1]"),
        ([{"content": SECRET}], "messages[0].role"),
        ([{"role": SECRET, "content": SECRET}], "messages[0].role"),
        ([{"role": ["user"], "content": SECRET}], "messages[0].role"),
        ([{"role": "user", "content": {"text": SECRET}}], "messages[0].content"),
        ([{"role": "user", "content": [SECRET]}], "messages[0].content[0]"),
        ([{"role": "user", "content": [{"text": SECRET}]}], "messages[0].content[0].type"),
        ([{"role": "user", "content": [TEXT, {"type": "wat", "wat": SECRET}]}], "messages[0].content[1].type"),
        ([{"role": "user", "content": [{"type": "text", "text": [SECRET]}]}], "messages[0].content[0].text"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "messages[0].content[0].image_url"),
        ([{"role": "user", "content": [{"type": "file", "file": {}}]}], "messages[0].content[0].file"),
        ([{"role": "system", "content": [IMAGE]}, HELLO], "messages[0].content[0].type"),
        ([HELLO, {"role": "assistant", "tool_calls": SECRET}], "messages[1].tool_calls"),
        ([HELLO, {"role": "assistant", "tool_calls": [SECRET]}], "messages[1].tool_calls[0]"),
        ([HELLO, calling(id=None)], "messages[1].tool_calls[0].id"),
        ([HELLO, calling(type="custom")], "messages[1].tool_calls[0].type"),
        ([HELLO, calling(function={"arguments": "{}"})], "messages[1].tool_calls[0].function.name"),
        ([HELLO, calling(), {"role": "tool", "content": SECRET}], "messages[2].tool_call_id"),
        ([HELLO, calling(), {"role": "tool", "tool_call_id": SECRET, "content": ""}], "messages[2].tool_call_id"),
        ([HELLO, {"role": "assistant", "function_call": SECRET}], "messages[1].function_call"),
        (
            [HELLO, {"role": "assistant", "function_call": {"name": "weather", "arguments": SECRET}}],
            "messages[1].function_call.arguments",
        ),
        ([HELLO, {"role": "function", "name": SECRET, "content": SECRET}], "messages[1].name"),
    ],
)
def test_what_is_wrong_with_a_message_is_said_by_its_place_alone(kind: str, messages: object, param: str) -> None:
    assert refused(kind, messages).param == param


def test_instructions_alone_are_no_conversation_for_anthropic() -> None:
    error = refused("anthropic", [{"role": "system", "content": SECRET}, {"role": "developer", "content": SECRET}])
    assert error.param == "messages"


@EITHER
def test_what_the_translator_says_of_a_request_that_it_cannot_take_is_not_passed_on(kind: str) -> None:
    broken = {"type": "image_url", "image_url": {"url": SECRET}}
    assert refused(kind, [{"role": "user", "content": [TEXT, broken]}]).message == (
        "The request cannot be translated for this model's provider."
    )
    # beyond the integers of JSON as the provider is sent it
    assert refused(kind, [HELLO, calling('{"n": 123456789012345678901234567890}')]).param is None


@EITHER
def test_a_parameter_that_the_translator_refuses_is_named(kind: str) -> None:
    assert refused(kind, [HELLO], temperature=0.5, reasoning_effort=SECRET).param == "reasoning_effort"


def test_a_sound_that_anthropic_cannot_hear_is_refused() -> None:
    error = refused("anthropic", [HELLO, {"role": "user", "content": [TEXT, AUDIO]}])
    assert error.param == "messages[1].content[1].type"
    assert "input_audio" in error.message


def test_google_hears_it() -> None:
    [turn] = sent("google", [{"role": "user", "content": [TEXT, AUDIO]}])["contents"]
    assert turn["parts"][1]["inline_data"] == {"data": "AAAA", "mime_type": "audio/wav"}
    error = refused("google", [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "A"}}]}])
    assert error.param == "messages[0].content[0].input_audio"


@EITHER
def test_a_refusal_of_the_assistant_is_what_it_said(kind: str) -> None:
    by_part = [HELLO, {"role": "assistant", "content": [{"type": "refusal", "refusal": "I will not."}]}, HELLO]
    by_member = [HELLO, {"role": "assistant", "content": None, "refusal": "I will not."}, HELLO]
    said = [HELLO, {"role": "assistant", "content": "I will not."}, HELLO]
    assert sent(kind, by_part) == sent(kind, by_member) == sent(kind, said)


@pytest.mark.parametrize(
    "content", ["", " \n", None, [], [{"type": "text", "text": ""}], [{"type": "text", "text": " "}]]
)
def test_an_empty_message_of_the_user_is_refused_for_anthropic(content: object) -> None:
    messages = [HELLO, {"role": "assistant", "content": "hi"}, {"role": "user", "content": content}]
    assert refused("anthropic", messages).param == "messages[2].content"


def test_an_empty_text_beside_something_is_left_out_for_anthropic() -> None:
    empty = {"type": "text", "text": ""}
    [turn] = sent("anthropic", [{"role": "user", "content": [empty, IMAGE]}])["messages"]
    assert [block["type"] for block in turn["content"]] == ["image"]


@pytest.mark.parametrize("content", ["", " ", None, [], [{"type": "text", "text": ""}]])
def test_an_assistant_that_said_nothing_is_left_out_for_anthropic(content: object) -> None:
    messages = [HELLO, {"role": "assistant", "content": content}, {"role": "user", "content": "go on"}]
    assert sent("anthropic", messages)["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "hello"}, {"type": "text", "text": "go on"}]}
    ]


@pytest.mark.parametrize("content", ["", None, [], [{"type": "text", "text": ""}]])
@pytest.mark.parametrize("result", ["", None, [], [{"type": "text", "text": ""}]])
def test_a_call_without_words_and_a_result_without_any_are_sent_as_they_are(content: object, result: object) -> None:
    answered = {"role": "tool", "tool_call_id": "call_1", "content": result}
    body = sent("anthropic", [HELLO, calling() | {"content": content}, answered], tools=[TOOL])
    assert body["messages"][1:] == [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "weather", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": ""}]},
    ]


@pytest.mark.parametrize("content", ["", " ", [{"type": "text", "text": ""}]])
def test_empty_instructions_are_left_out_for_anthropic(content: object) -> None:
    assert sent("anthropic", [{"role": "system", "content": content}, HELLO]) == sent("anthropic", [HELLO])


def function_calls(*names: str) -> list[Json]:
    """A conversation of the older kind: each call, and what it gave."""
    messages: list[Json] = [HELLO]
    for number, name in enumerate(names):
        call = {"name": name, "arguments": json.dumps({"number": number})}
        messages += [
            {"role": "assistant", "content": None, "function_call": call},
            {"role": "function", "name": name, "content": f"result {number}"},
        ]
    return messages


def test_a_function_s_result_answers_its_call_at_anthropic() -> None:
    turns = sent("anthropic", function_calls("weather", "time", "weather"), tools=[TOOL])["messages"]
    asked = [block for turn in turns if turn["role"] == "assistant" for block in turn["content"]]
    results = [block for turn in turns[1:] if turn["role"] == "user" for block in turn["content"]]
    assert [(block["name"], block["input"]) for block in asked] == [
        ("weather", {"number": 0}),
        ("time", {"number": 1}),
        ("weather", {"number": 2}),
    ]
    assert [block["content"] for block in results] == ["result 0", "result 1", "result 2"]
    assert [block["tool_use_id"] for block in results] == [block["id"] for block in asked]
    assert len({block["id"] for block in asked}) == 3


def test_the_same_conversation_is_the_same_request() -> None:
    """Or the provider's prompt cache would miss."""
    first, second = (sent("anthropic", function_calls("weather")) for _ in range(2))
    assert first == second


def test_a_function_s_result_keeps_its_name_at_google() -> None:
    contents = sent("google", function_calls("weather", "time"))["contents"]
    parts = [part for content in contents for part in content["parts"]]
    assert [part["function_call"]["name"] for part in parts if "function_call" in part] == ["weather", "time"]
    assert [part["function_response"]["name"] for part in parts if "function_response" in part] == ["weather", "time"]
