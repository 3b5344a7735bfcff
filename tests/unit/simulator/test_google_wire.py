"""Google's wire: candidates, parts, usageMetadata."""

from typing import Any

import pytest

from tests.unit.simulator.running import Simulator, events_of

TOOLS = [
    {
        "functionDeclarations": [
            {"name": "get_time", "parameters": {"type": "OBJECT", "properties": {}}},
            {
                "name": "get_weather",
                "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]},
            },
        ]
    }
]
PATH = "/google/v1beta/models/gemini-2.5-flash:generateContent"


async def test_a_plain_answer(simulator: Simulator) -> None:
    response = await simulator.google("hello there", systemInstruction={"parts": [{"text": "be brief"}]})
    document = await response.json()
    (candidate,) = document["candidates"]
    assert candidate["content"] == {"parts": [{"text": "You said: hello there"}], "role": "model"}
    assert (candidate["finishReason"], candidate["index"]) == ("STOP", 0)
    assert document["modelVersion"] == "gemini-2.5-flash"
    assert document["responseId"]
    assert document["usageMetadata"] == {
        "promptTokenCount": 4,
        "candidatesTokenCount": 4,
        "totalTokenCount": 8,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 4}],
    }


async def test_thoughts_are_beside_the_candidates_and_the_cache_inside_the_prompt(simulator: Simulator) -> None:
    response = await simulator.google("[[sim input=8 cached=100 reasoning=7 audio_in=2 words=3]]")
    assert (await response.json())["usageMetadata"] == {
        "promptTokenCount": 8 + 100 + 2,
        "candidatesTokenCount": 3,
        "totalTokenCount": 110 + 3 + 7,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 108}, {"modality": "AUDIO", "tokenCount": 2}],
        "cachedContentTokenCount": 100,
        "thoughtsTokenCount": 7,
    }


async def test_a_stream_counts_as_it_goes(simulator: Simulator) -> None:
    response = await simulator.google("hello there", stream=True)
    body = await response.text()
    events = events_of(body)
    assert body.endswith("\r\n\r\n")
    assert [event["candidates"][0]["content"]["parts"] for event in events] == [
        [{"text": "You"}],
        [{"text": " said:"}],
        [{"text": " hello"}],
        [{"text": " there"}],
    ]
    assert [event["candidates"][0].get("finishReason") for event in events] == [None, None, None, "STOP"]
    assert [event["usageMetadata"]["candidatesTokenCount"] for event in events] == [1, 2, 3, 4]
    assert len({event["responseId"] for event in events}) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("calling", "names"),
    [
        ({"mode": "ANY"}, ["get_time"]),
        ({"mode": "ANY", "allowedFunctionNames": ["get_weather"]}, ["get_weather"]),
        ({"mode": "AUTO"}, []),
        ({"mode": "NONE"}, []),
    ],
)
async def test_functions_are_called(
    simulator: Simulator, stream: bool, calling: dict[str, Any], names: list[str]
) -> None:
    members = {"tools": TOOLS, "toolConfig": {"functionCallingConfig": calling}}
    response = await simulator.google("In 'Paris'", stream=stream, **members)
    documents = events_of(await response.text()) if stream else [await response.json()]
    parts = [part for document in documents for part in document["candidates"][0]["content"]["parts"]]
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    assert [call["name"] for call in calls] == names
    assert documents[-1]["candidates"][0]["finishReason"] == "STOP"
    if names == ["get_weather"]:
        assert calls[0]["args"] == {"city": "Paris"}


async def test_a_function_response_is_answered_in_words(simulator: Simulator) -> None:
    contents = [
        {"role": "user", "parts": [{"text": "weather? [[sim tool]]"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "get_weather", "args": {}}}]},
        {
            "role": "user",
            "parts": [{"functionResponse": {"name": "get_weather", "response": {"content": "18 degrees"}}}],
        },
    ]
    response = await simulator.google("", contents=contents, tools=TOOLS)
    document = await response.json()
    assert document["candidates"][0]["content"]["parts"] == [{"text": "The tool said: 18 degrees"}]
    assert document["usageMetadata"]["promptTokenCount"] == 3 + 2


@pytest.mark.parametrize("member", ["responseSchema", "responseJsonSchema", "response_json_schema"])
async def test_structured_output(simulator: Simulator, member: str) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    config = {"responseMimeType": "application/json", member: schema}
    document = await (await simulator.google("hi", generationConfig=config)).json()
    assert document["candidates"][0]["content"]["parts"] == [{"text": '{"n":1}'}]


async def test_thoughts_are_parts_where_they_are_asked_for(simulator: Simulator) -> None:
    config = {"thinkingConfig": {"includeThoughts": True}}
    document = await (await simulator.google("hi [[sim reasoning=4]]", generationConfig=config)).json()
    parts = document["candidates"][0]["content"]["parts"]
    assert [part.get("thought", False) for part in parts] == [True, False]
    assert document["usageMetadata"]["thoughtsTokenCount"] == 4


@pytest.mark.parametrize(
    ("text", "config", "reason"),
    [
        ("[[sim refusal]]", {}, "SAFETY"),
        ("one two three", {"maxOutputTokens": 3}, "MAX_TOKENS"),
        ("one two three", {"stopSequences": ["two"]}, "STOP"),
    ],
)
async def test_why_it_finished(simulator: Simulator, text: str, config: dict[str, Any], reason: str) -> None:
    document = await (await simulator.google(text, generationConfig=config)).json()
    assert document["candidates"][0]["finishReason"] == reason


async def test_a_key_may_stand_in_the_query_and_is_not_logged(simulator: Simulator) -> None:
    body = {"contents": [{"parts": [{"text": "hi"}]}]}
    response = await simulator.post(f"{PATH}?key=secret-key", body, {})
    assert response.status == 200
    assert "secret-key" not in str(await simulator.log())


@pytest.mark.parametrize(("query", "headers"), [("", {}), ("?key=", {}), ("", {"x-goog-api-key": ""})])
async def test_a_call_without_a_key_is_a_401(simulator: Simulator, query: str, headers: dict[str, str]) -> None:
    response = await simulator.post(PATH + query, {}, headers)
    error = (await response.json())["error"]
    assert (response.status, error["code"], error["status"]) == (401, 401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("status", "name"),
    [(400, "INVALID_ARGUMENT"), (429, "RESOURCE_EXHAUSTED"), (500, "INTERNAL"), (503, "UNAVAILABLE")],
)
async def test_scripted_errors_have_googles_shape(simulator: Simulator, status: int, name: str) -> None:
    response = await simulator.google(f"[[sim status={status} message='not now']]", stream=True)
    assert response.status == status
    assert (await response.json())["error"] == {"code": status, "message": "not now", "status": name}


async def test_a_stream_needs_alt_sse(simulator: Simulator) -> None:
    path = "/google/v1beta/models/gemini-2.5-flash:streamGenerateContent"
    response = await simulator.post(path, {"contents": []}, {"x-goog-api-key": "key"})
    assert response.status == 400
