"""OpenAI's wire, read by OpenAI's own client."""

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel

from tests.unit.simulator.running import Simulator, events_of

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
        },
    },
}
HELLO: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "hello there"},
]


def user(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


@pytest.fixture(params=["openai", "meta"])
async def client(simulator: Simulator, request: pytest.FixtureRequest) -> AsyncIterator[openai.AsyncOpenAI]:
    base_url = f"{simulator.url}/{request.param}/v1"
    async with openai.AsyncOpenAI(base_url=base_url, api_key="sk-test-1234", max_retries=0) as client:
        yield client


async def test_a_plain_answer(client: openai.AsyncOpenAI) -> None:
    completion = await client.chat.completions.create(model="gpt-4o", messages=HELLO)
    choice = completion.choices[0]
    assert completion.model == "gpt-4o-2024-08-06"
    assert completion.id.startswith("chatcmpl-")
    assert (choice.message.content, choice.finish_reason) == ("You said: hello there", "stop")
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens, completion.usage.total_tokens) == (
        4,
        4,
        8,
    )


async def test_detailed_usage(client: openai.AsyncOpenAI) -> None:
    directive = "[[sim input=86 output=9 cached=1920 cache_write=5 reasoning=7 audio_in=2 audio_out=1]]"
    completion = await client.chat.completions.create(model="gpt-4o", messages=user(directive))
    assert completion.usage is not None
    assert completion.usage.to_dict() == {
        "prompt_tokens": 86 + 1920 + 5 + 2,
        "completion_tokens": 9 + 7 + 1,
        "total_tokens": 2013 + 17,
        "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 2, "cache_write_tokens": 5},
        "completion_tokens_details": {
            "reasoning_tokens": 7,
            "audio_tokens": 1,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


async def test_a_stream_comes_word_by_word_and_its_usage_last(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].delta.content for chunk in chunks[:-1]] == ["", "You", " said:", " hello", " there", None]
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * 5 + ["stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (4, 4)
    assert len({(chunk.id, chunk.created, chunk.model, chunk.system_fingerprint) for chunk in chunks}) == 1


async def test_usage_is_on_a_stream_only_when_asked_for(simulator: Simulator) -> None:
    asked = await (await simulator.openai("hi", stream=True, stream_options={"include_usage": True})).text()
    unasked = await (await simulator.openai("hi", stream=True)).text()
    assert [event["usage"] for event in events_of(asked)[:-1]] == [None] * 5
    assert all("usage" not in event for event in events_of(unasked))
    assert asked.endswith("data: [DONE]\n\n")
    assert unasked.endswith("data: [DONE]\n\n")


async def test_tool_calls_are_streamed_by_index(client: openai.AsyncOpenAI) -> None:
    text = "In 'Paris' for 5 days [[sim tool calls=2]]"
    async with client.chat.completions.stream(model="gpt-4o", messages=user(text), tools=[TOOL]) as stream:
        completion = await stream.get_final_completion()
    calls = completion.choices[0].message.tool_calls
    assert calls is not None
    assert [call.function.arguments for call in calls] == ['{"city":"Paris","days":5}'] * 2
    assert len({call.id for call in calls}) == 2
    assert completion.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_named_tool_is_called_and_finishes_with_stop(simulator: Simulator, stream: bool) -> None:
    choice = {"type": "function", "function": {"name": "get_weather"}}
    response = await simulator.openai("hi", tools=[TOOL], tool_choice=choice, stream=stream)
    if stream:
        events = events_of(await response.text())
        (opening,) = events[0]["choices"][0]["delta"]["tool_calls"]
        assert opening["function"] == {"name": "get_weather", "arguments": ""}
        assert all("id" not in call for event in events[1:-1] for call in event["choices"][0]["delta"]["tool_calls"])
        assert events[-1]["choices"][0]["finish_reason"] == "stop"
    else:
        (found,) = (await response.json())["choices"]
        assert found["message"]["content"] is None
        assert (found["message"]["tool_calls"][0]["function"]["name"], found["finish_reason"]) == (
            "get_weather",
            "stop",
        )


async def test_a_tool_result_is_answered_in_words(client: openai.AsyncOpenAI) -> None:
    first = await client.chat.completions.create(model="gpt-4o", messages=user("hi [[sim tool]]"), tools=[TOOL])
    call = first.choices[0].message
    assert call.tool_calls is not None
    messages: Any = [
        *user("hi [[sim tool]]"),
        call.to_dict(),
        {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "18 degrees"},
    ]
    second = await client.chat.completions.create(model="gpt-4o", messages=messages, tools=[TOOL])
    assert second.choices[0].message.content == "The tool said: 18 degrees"


class Joke(BaseModel):
    setup: str
    rating: int


async def test_structured_output_parses(client: openai.AsyncOpenAI) -> None:
    completion = await client.chat.completions.parse(
        model="gpt-4o", messages=user("A joke rated 7, 'Knock knock'"), response_format=Joke
    )
    assert completion.choices[0].message.parsed == Joke(setup="Knock knock", rating=7)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_is_no_content(simulator: Simulator, stream: bool) -> None:
    response = await simulator.openai("[[sim refusal]]", stream=stream)
    if stream:
        deltas = [event["choices"][0]["delta"] for event in events_of(await response.text())]
        refusal = "".join(delta.get("refusal", "") for delta in deltas)
        assert not any(delta.get("content") for delta in deltas)
    else:
        message = (await response.json())["choices"][0]["message"]
        assert message["content"] is None
        refusal = message["refusal"]
    assert refusal == "I'm sorry, I cannot assist with that request."


async def test_choices_take_turns_in_a_stream(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(model="gpt-4o", messages=HELLO, n=2, stream=True)
    choices = [chunk.choices[0] async for chunk in stream]
    assert [choice.index for choice in choices] == [0, 1] * 6
    assert [choice.finish_reason for choice in choices[-2:]] == ["stop", "stop"]


async def test_models_are_listed(client: openai.AsyncOpenAI) -> None:
    assert "gpt-4o" in [model.id async for model in client.models.list()]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer "}, {"Authorization": "Basic key"}])
async def test_a_call_without_a_key_is_a_401(simulator: Simulator, headers: dict[str, str]) -> None:
    response = await simulator.post("/openai/v1/chat/completions", {}, headers)
    assert response.status == 401
    assert (await response.json())["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize(
    ("directive", "raised", "code"),
    [
        ("status=400 code=context_length_exceeded", openai.BadRequestError, "context_length_exceeded"),
        ("status=401", openai.AuthenticationError, "invalid_api_key"),
        ("status=404", openai.NotFoundError, "model_not_found"),
        ("status=429 retry_after=7", openai.RateLimitError, "rate_limit_exceeded"),
        ("status=503", openai.InternalServerError, None),
    ],
)
async def test_scripted_errors_have_openais_shape(
    client: openai.AsyncOpenAI, directive: str, raised: type[openai.APIStatusError], code: str | None
) -> None:
    with pytest.raises(raised) as caught:
        await client.chat.completions.create(model="gpt-4o", messages=user(f"[[sim {directive}]]"), stream=True)
    assert caught.value.code == code
    assert caught.value.response.headers.get("retry-after") == ("7" if "retry_after" in directive else None)
    assert ("sk-t****1234" in caught.value.message) == (directive == "status=401")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"{}",
        {"model": "gpt-4o"},
        {"model": "gpt-4o", "messages": []},
        {"model": "gpt-4o", "messages": ["hi"]},
        {"model": "gpt-4o", "messages": [{"role": "user", "content": 5}]},
        {"model": "gpt-4o", "messages": HELLO, "n": 0},
        {"model": "gpt-4o", "messages": HELLO, "max_tokens": "10"},
        {"model": "gpt-4o", "messages": HELLO, "tools": [{"type": "function"}]},
        {"model": "gpt-4o", "messages": HELLO, "tools": "x"},
        {"model": "gpt-4o", "messages": HELLO, "stream_options": {"include_usage": True}},
        {"model": "gpt-4o", "messages": user("[[sim wrods=3]]")},
    ],
)
async def test_a_malformed_request_is_a_400(simulator: Simulator, body: Any) -> None:
    response = await simulator.post("/openai/v1/chat/completions", body, {"Authorization": "Bearer key"})
    assert response.status == 400
    assert (await response.json())["error"]["type"] == "invalid_request_error"
    assert [entry["ending"] for entry in await simulator.log()] == ["error"]
