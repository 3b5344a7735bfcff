"""The log is what other tests hold a gateway against: it must be right, and hold no secret."""

import hashlib

import orjson
import pytest

from tests.unit.simulator.running import OPENAI_HEADERS, Simulator, running_simulator


async def test_an_entry_says_what_came_and_how_it_went(simulator: Simulator) -> None:
    body = {
        "model": "gpt-4o",
        "stream": True,
        "stream_options": {"include_usage": True},
        "user": "end-user",
        "metadata": {"team": "red"},
        "messages": [{"role": "user", "content": "hi [[sim id=abc words=2 cached=3]]"}],
    }
    headers = {**OPENAI_HEADERS, "X-Request-Id": "req_1", "Cookie": "secret-cookie"}
    data = orjson.dumps(body)
    await (await simulator.post("/openai/v1/chat/completions", data, headers)).read()
    (entry,) = await simulator.log()
    assert entry["sequence"] == 1
    assert (entry["provider"], entry["path"]) == ("openai", "/openai/v1/chat/completions")
    assert (entry["model"], entry["stream"], entry["marker"]) == ("gpt-4o", True, "abc")
    assert (entry["user"], entry["metadata"]) == ("end-user", {"team": "red"})
    assert (entry["body_bytes"], entry["body_sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert entry["body"] == body
    assert entry["headers"]["x-request-id"] == "req_1"
    assert entry["key_given"] is True
    assert entry["response_id"].startswith("chatcmpl-")
    assert (entry["status"], entry["ending"], entry["completed"], entry["client_gone"]) == (
        200,
        "complete",
        True,
        False,
    )
    # role, two words, finish, usage, [DONE]
    assert (entry["events_sent"], entry["content_events_sent"], entry["content_events_planned"]) == (6, 2, 2)
    assert entry["usage"] == {
        "input_tokens": 5 + 3,
        "cached_input_tokens": 3,
        "cache_write_5m_tokens": 0,
        "cache_write_1h_tokens": 0,
        "input_audio_tokens": 0,
        "output_tokens": 2,
        "reasoning_tokens": 0,
        "output_audio_tokens": 0,
    }
    assert entry["usage_sent"] is True


async def test_no_secret_and_by_default_no_prompt_is_kept() -> None:
    secret = "sk-very-secret"
    async with running_simulator() as simulator:
        for headers in ({"Authorization": f"Bearer {secret}"}, {"x-api-key": secret}, {"x-goog-api-key": secret}):
            await simulator.post("/openai/v1/chat/completions", {"prompt": "private"}, headers)
        text = str(await simulator.log())
    assert secret not in text
    assert "private" not in text


async def test_the_log_can_be_searched_and_cleared(simulator: Simulator) -> None:
    await simulator.openai("[[sim id=a]]")
    await simulator.anthropic("[[sim id=b]]")
    held = await simulator.google("[[sim id=c hold_after=1]]", stream=True)
    assert [entry["provider"] for entry in await simulator.log(marker="b")] == ["anthropic"]
    assert await simulator.log(marker="a", provider="google") == []
    stats = await simulator.stats()
    assert (stats["received"], stats["open_requests"], stats["open_streams"], stats["completed"]) == (3, 1, 1, 2)

    async with simulator.session.delete(f"{simulator.url}/simulator/requests") as response:
        assert response.status == 204
    assert [entry["marker"] for entry in await simulator.log()] == ["c"]
    await simulator.release()
    await held.read()
    await simulator.openai("hi")
    stats = await simulator.stats()
    assert (stats["received"], stats["open_requests"], stats["completed"]) == (2, 0, 2)
    assert [entry["sequence"] for entry in await simulator.log()] == [3, 4]


@pytest.mark.parametrize("include_usage", [False, True])
async def test_usage_counts_as_sent_only_when_the_client_could_read_it(
    simulator: Simulator, include_usage: bool
) -> None:
    await (await simulator.openai("hi", stream=True, stream_options={"include_usage": include_usage})).read()
    (entry,) = await simulator.log()
    assert entry["usage_sent"] is include_usage
