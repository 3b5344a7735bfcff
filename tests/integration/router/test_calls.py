"""Calls through the router to all four providers: answers, errors, headers, and the event that each leaves behind."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway_router.journal.frame import FrameKind
from gateway_shared.hop import OWN_ERROR
from gateway_shared.model_call import ModelCall
from gateway_shared.usage_event import TokenCounts, UsageEvent
from tests.integration.router.router_rig import CALLER, RouterRig, Simulator, open_rig, providers_at
from tests.recordings import Received
from tests.servers import Certificates

MODELS = {
    "openai": "gpt-4o",
    "anthropic": "claude-sonnet-4-5",
    "google": "gemini-2.5-flash",
    "meta": "Llama-3.3-70B-Instruct",
}
EVERY_PROVIDER = pytest.mark.parametrize("provider", MODELS)
PLAIN_OR_STREAM = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def asking(provider: str, text: str, **more: Any) -> dict[str, Any]:
    return {"model": MODELS[provider], "messages": [{"role": "user", "content": text}], **more}


def data_of(received: Received) -> list[Any]:
    """The stream's data, `[DONE]` as it is."""
    lines = [line[6:] for line in received.body.decode().splitlines() if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def text_of(chunks: list[Any]) -> str:
    deltas = [choice["delta"] for chunk in chunks if chunk != "[DONE]" for choice in chunk.get("choices", ())]
    return "".join(delta.get("content") or "" for delta in deltas)


def one_event(router: RouterRig) -> UsageEvent:
    """Exactly one, that begins with its intent."""
    [intent], [event] = router.intents(), router.settled()
    assert (intent.event_id, intent.status, intent.finish_state) == (event.event_id, "unknown", "gateway_lost")
    event.check()
    return event


@EVERY_PROVIDER
async def test_a_plain_answer_and_its_event(provider: str, router: RouterRig, simulator: Simulator) -> None:
    received = await router.call(
        asking(provider, "one two three [[sim input=3 words=5 cached=10 reasoning=4]]", user="u1")
    )
    answer = json.loads(received.body)
    assert received.status == 200
    assert received.headers["x-gateway-provider"] == provider
    assert received.headers["x-gateway-attempts"] == "1"
    [asked] = await simulator.requests()
    assert received.headers["x-gateway-model"] == answer["model"]
    assert (answer["choices"][0]["finish_reason"], answer["object"]) == ("stop", "chat.completion")
    assert answer["usage"]["prompt_tokens"] == 13
    assert answer["usage"]["completion_tokens"] == 9
    event = one_event(router)
    assert event.tokens == TokenCounts(
        input_tokens=13, cached_input_tokens=10, output_tokens=9, reasoning_tokens=event.tokens.reasoning_tokens
    )
    assert (event.status, event.finish_state, event.usage_source) == ("settled", "complete", "provider")
    assert (event.provider, event.price_provider, event.http_status) == (provider, provider, 200)
    assert (event.model_requested, event.model_upstream) == (MODELS[provider], MODELS[provider])
    assert (event.model_served, asked["model"]) == (answer["model"], MODELS[provider])
    assert (event.tenant_id, event.key_id, event.end_user, event.agent_id) == (
        CALLER.tenant_id,
        CALLER.key_id,
        "someone",
        "agent-1",
    )
    assert event.duration_us >= (event.time_to_first_token_us or 0) > 0
    assert (event.producer, event.sequence) == (router.journal.producer, 1)


@EVERY_PROVIDER
@pytest.mark.parametrize("relay_usage", [True, False])
async def test_a_stream_with_and_without_its_usage_chunk(provider: str, relay_usage: bool, router: RouterRig) -> None:
    options = {"stream_options": {"include_usage": True}} if relay_usage else {}
    received = await router.call(asking(provider, "one two [[sim input=2 words=7]]", stream=True, **options))
    assert received.headers["content-type"].startswith("text/event-stream")
    *chunks, done = data_of(received)
    assert done == "[DONE]"
    assert len(text_of(chunks).split()) == 7
    assert sum(bool(choice["finish_reason"]) for chunk in chunks for choice in chunk["choices"]) == 1
    with_usage = [chunk for chunk in chunks if chunk.get("usage")]
    assert [chunk["choices"] for chunk in with_usage] == ([[]] if relay_usage else [])
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    event = one_event(router)
    assert (event.tokens.input_tokens, event.tokens.output_tokens, event.usage_source) == (2, 7, "provider")
    assert (event.status, event.finish_state, event.stream) == ("settled", "complete", True)
    assert event.time_to_first_token_us is not None


@EVERY_PROVIDER
@PLAIN_OR_STREAM
async def test_tool_calls(provider: str, stream: bool, router: RouterRig) -> None:
    body = asking(provider, 'Weather in "Paris" [[sim calls=2]]', tools=[TOOL], tool_choice="required", stream=stream)
    received = await router.call(body)
    calls: dict[int, dict[str, Any]] = {}
    if stream:
        choices = [choice for chunk in data_of(received)[:-1] for choice in chunk["choices"]]
        for call in (call for choice in choices for call in choice["delta"].get("tool_calls") or ()):
            kept = calls.setdefault(call["index"], {"id": "", "name": "", "arguments": ""})
            kept["id"] += call.get("id") or ""
            kept["name"] += call["function"].get("name") or ""
            kept["arguments"] += call["function"].get("arguments") or ""
        finish = next(choice["finish_reason"] for choice in choices if choice["finish_reason"])
    else:
        [choice] = json.loads(received.body)["choices"]
        finish = choice["finish_reason"]
        for index, call in enumerate(choice["message"]["tool_calls"]):
            assert call["type"] == "function"
            calls[index] = {"id": call["id"], **call["function"]}
    assert finish == "tool_calls"
    assert [call["name"] for call in calls.values()] == ["get_weather", "get_weather"]
    assert [json.loads(call["arguments"]) for call in calls.values()] == [{"city": "Paris"}] * 2
    assert len({call["id"] for call in calls.values()}) == 2


@EVERY_PROVIDER
@PLAIN_OR_STREAM
async def test_structured_output(provider: str, stream: bool, router: RouterRig) -> None:
    schema = {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}
    body = asking(
        provider,
        "There are 42 of them",
        stream=stream,
        response_format={"type": "json_schema", "json_schema": {"name": "counted", "schema": schema, "strict": True}},
    )
    received = await router.call(body)
    text = text_of(data_of(received)) if stream else json.loads(received.body)["choices"][0]["message"]["content"]
    assert json.loads(text) == {"count": 42}


@EVERY_PROVIDER
@PLAIN_OR_STREAM
async def test_json_without_a_schema(provider: str, stream: bool, router: RouterRig) -> None:
    body = asking(provider, "as JSON", stream=stream, response_format={"type": "json_object"})
    received = await router.call(body)
    if stream:
        choices = [choice for chunk in data_of(received)[:-1] for choice in chunk["choices"]]
        text, reasons = text_of(data_of(received)), [choice["finish_reason"] for choice in choices]
    else:
        [choice] = json.loads(received.body)["choices"]
        text, reasons = choice["message"]["content"], [choice["finish_reason"]]
    assert isinstance(json.loads(text), dict)
    assert [reason for reason in reasons if reason] == ["stop"]
    assert one_event(router).usage_source == "provider"


@pytest.mark.parametrize("provider", ["anthropic", "google"])
async def test_what_cannot_be_translated_is_told_without_what_was_written(
    provider: str, router: RouterRig, simulator: Simulator
) -> None:
    function = {"name": "get_weather", "arguments": "{not json secret"}
    calls = [{"id": "call_1", "type": "function", "function": function}]
    body = asking(provider, "hello")
    received = await router.call(
        body | {"messages": [*body["messages"], {"role": "assistant", "content": None, "tool_calls": calls}]}
    )
    error = json.loads(received.body)["error"]
    assert (received.status, set(error)) == (400, {"message", "type", "param", "code"})
    assert error["param"] == "messages[1].tool_calls[0].function.arguments"
    assert b"secret" not in received.body
    assert b"litellm" not in received.body.lower()
    assert (await simulator.requests(), router.records()) == ([], [])


@pytest.mark.parametrize("provider", ["openai", "meta"])
async def test_messages_reach_a_provider_of_openais_wire_as_they_are(
    provider: str, router: RouterRig, simulator: Simulator
) -> None:
    odd = [{"role": "developer", "content": ""}, {"role": "user", "content": [{"type": "wat"}]}]
    await router.call(asking(provider, "hello") | {"messages": odd})
    [asked] = await simulator.requests()
    assert asked["body"]["messages"] == odd


@EVERY_PROVIDER
@PLAIN_OR_STREAM
@pytest.mark.parametrize(
    ("status", "relayed", "code"),
    [
        (400, 400, None),
        (401, 502, "provider_auth_failed"),
        (403, 502, "provider_auth_failed"),
        (404, 404, "model_not_found"),
        (429, 429, "rate_limit_exceeded"),
        (500, 500, None),
        (503, 503, "overloaded"),
        (529, 503, "overloaded"),
    ],
)
async def test_a_refusal_keeps_its_status_and_costs_nothing(
    provider: str, stream: bool, status: int, relayed: int, code: str | None, router: RouterRig
) -> None:
    text = f'[[sim status={status} retry_after=7 message="key sk-test-key-1234567890 is out"]]'
    received = await router.call(asking(provider, text, stream=stream))
    assert received.status == relayed
    assert received.headers["content-type"] == "application/json"
    assert OWN_ERROR not in received.headers  # it would be the same from another router
    error = json.loads(received.body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert "1234567890" not in received.body.decode()
    if status in (401, 403):
        assert "out" not in error["message"]
        assert received.headers["x-should-retry"] == "false"
        assert error["code"] == code
    else:
        assert error["message"] == "key *** is out"
        assert received.headers["retry-after"] == "7"
        if provider not in ("openai", "meta"):
            assert error["code"] == code
    event = one_event(router)
    assert (event.status, event.finish_state, event.usage_source) == ("failed", "upstream_error", "none")
    assert (event.tokens, event.http_status) == (TokenCounts(), status)


@pytest.mark.parametrize(
    ("provider", "message"),
    [
        ("openai", "This model's maximum context length is 128000 tokens."),
        ("anthropic", "prompt is too long: 3333404 tokens > 200000 maximum"),
        ("google", "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576)."),
    ],
)
async def test_a_context_that_is_too_long_is_told_in_openais_word(
    provider: str, message: str, router: RouterRig
) -> None:
    received = await router.call(asking(provider, f'[[sim status=400 message="{message}"]]'.replace("'", "")))
    assert json.loads(received.body)["error"]["code"] == "context_length_exceeded"


async def test_a_provider_that_cannot_be_reached_is_502_and_costs_nothing(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with open_rig(certificates, tmp_path, providers_at("http://127.0.0.1:9")) as router:
        received = await router.call(asking("openai", "hello"))
        assert (received.status, json.loads(received.body)["error"]["code"]) == (502, "upstream_error")
        event = one_event(router)
        assert (event.status, event.finish_state, event.usage_source) == ("failed", "not_sent", "none")


@EVERY_PROVIDER
@PLAIN_OR_STREAM
async def test_an_answer_without_usage_is_estimated_and_says_so(provider: str, stream: bool, router: RouterRig) -> None:
    received = await router.call(asking(provider, "one two three four [[sim words=40 no_usage]]", stream=stream))
    assert received.status == 200
    event = one_event(router)
    assert (event.status, event.usage_source) == ("settled", "estimated")
    assert event.tokens.input_tokens > 0
    assert 40 <= event.tokens.output_tokens < 400


async def test_no_event_where_no_provider_was_asked(router: RouterRig) -> None:
    for body, status, code in [
        ({"model": "no-such-model", "messages": []}, 404, "model_not_found"),
        ({"model": "mistral/mistral-large", "messages": []}, 404, "model_not_found"),
        (asking("anthropic", "x", n=2), 400, "invalid_request_error"),
        ({"model": "claude-sonnet-4-5", "messages": [{"content": "no role"}]}, 400, "invalid_request_error"),
        ({"model": "claude-sonnet-4-5", "messages": "text"}, 400, "invalid_request_error"),
    ]:
        received = await router.call(body)
        assert (received.status, json.loads(received.body)["error"]["code"]) == (status, code), body
    assert router.records() == []


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "https://example.com/cat.png", "gs://bucket/cat"])
async def test_no_medium_is_fetched_from_inside(url: str, router: RouterRig, simulator: Simulator) -> None:
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    body = {"model": MODELS["google"], "messages": [{"role": "user", "content": content}]}
    received = await router.call(body)
    assert received.status == 400
    assert await simulator.requests() == []


async def test_the_provider_is_asked_without_cookies_compression_or_client_headers(
    router: RouterRig, simulator: Simulator
) -> None:
    await router.call(asking("openai", "hello", seed=7, custom_field={"kept": True}))
    [asked] = await simulator.requests()
    assert asked["headers"]["accept-encoding"] == "identity"
    assert "cookie" not in asked["headers"]
    assert (asked["body"]["seed"], asked["body"]["custom_field"]) == (7, {"kept": True})


async def test_models_are_those_of_the_registered_providers(router: RouterRig) -> None:
    async with router.hop.request("models", ModelCall("tenant-1").to_json()) as response:
        listed = json.loads(await response.read())
    owners = {model["id"]: model["owned_by"] for model in listed["data"]}
    assert owners["gpt-4o"] == "openai"
    assert owners["claude-sonnet-4-5"] == "anthropic"
    assert owners["gemini-2.5-flash"] == "google"
    assert set(owners.values()) == set(MODELS)
    assert not [name for name in owners if name.startswith(("gemini/", "meta_llama/"))]


async def test_intent_and_settle_are_the_only_records_of_a_short_call(router: RouterRig) -> None:
    await router.call(asking("openai", "hello", stream=True))
    assert [kind for kind, _ in router.records()] == [FrameKind.INTENT, FrameKind.SETTLE]
