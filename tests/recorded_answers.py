"""Whether a client received what the provider said in a recorded exchange."""

import json

from tests.recorded_meaning import Meaning, read_plain, read_stream, said_by
from tests.recordings import Json, Received, Recording

_RELAYED_STATUS = {401: 502, 402: 502, 403: 502, 529: 503}


def judge(recording: Recording, received: Received) -> None:
    """Raises AssertionError where `received` does not mean what the provider said."""
    if recording.mode == "err":
        _judge_error(recording, received)
        return
    assert received.status == 200, (received.status, received.body[:500])
    if recording.mode == "stream":
        chunks = _chunks(received)
        if recording.is_openai_wire:
            assert _comparable(recording, chunks) == _comparable(recording, _recorded_chunks(recording))
            assert recording.asked_for_usage or not any(_is_usage_chunk(chunk) for chunk in chunks)
        else:
            _well_formed(recording, chunks)
            _same_meaning(recording, read_stream(chunks))
    elif recording.is_openai_wire:
        assert json.loads(received.body) == json.loads(recording.body)
    else:
        _same_meaning(recording, read_plain(json.loads(received.body)))


def _judge_error(recording: Recording, received: Received) -> None:
    assert received.status == _RELAYED_STATUS.get(recording.status, recording.status)
    assert received.headers["content-type"].startswith("application/json")
    error = json.loads(received.body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    said = json.loads(recording.body)
    said = (said[0] if isinstance(said, list) else said)["error"]
    if recording.status in (401, 402, 403):
        assert error["code"] == "provider_auth_failed"
        assert said["message"] not in received.body.decode()
    else:
        assert error["message"] == said["message"]
        if recording.is_openai_wire:
            assert {**said, **error} == error
    retry_after = {name.lower(): value for name, value in recording.headers}.get("retry-after")
    assert received.headers.get("retry-after") == retry_after


def _chunks(received: Received) -> list[Json]:
    assert received.headers["content-type"].startswith("text/event-stream")
    events = [event for event in received.body.decode().replace("\r\n", "\n").split("\n\n") if event.strip()]
    data = ["\n".join(line[5:].strip() for line in event.split("\n") if line.startswith("data:")) for event in events]
    assert data[-1] == "[DONE]"
    assert data.count("[DONE]") == 1
    return [json.loads(item) for item in data[:-1]]


def _recorded_chunks(recording: Recording) -> list[Json]:
    return [json.loads(line[5:]) for line in recording.data_lines if not line.endswith("[DONE]")]


def _comparable(recording: Recording, chunks: list[Json]) -> list[Json]:
    """Without the usage chunk and `usage: null` for a client that did not ask for usage."""
    if recording.asked_for_usage:
        return chunks
    return [_without_null_usage(chunk) for chunk in chunks if not _is_usage_chunk(chunk)]


def _is_usage_chunk(chunk: Json) -> bool:
    return bool(chunk.get("usage")) and not chunk["choices"]


def _without_null_usage(chunk: Json) -> Json:
    return {name: value for name, value in chunk.items() if not (name == "usage" and value is None)}


def _same_meaning(recording: Recording, got: Meaning) -> None:
    said = said_by(recording)
    if recording.mode == "stream" and not recording.asked_for_usage:
        said = Meaning(said.text, said.tool_calls, said.finish_reason, 0, 0)
    assert got == said


def _well_formed(recording: Recording, chunks: list[Json]) -> None:
    """The shape that ChatOpenAI reads well: see the streams of the wire's description."""
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert sum("role" in choice["delta"] for chunk in chunks for choice in chunk["choices"]) == 1
    finishes = [choice for chunk in chunks for choice in chunk["choices"] if choice["finish_reason"]]
    assert len(finishes) == 1
    with_usage = [chunk for chunk in chunks if chunk.get("usage")]
    assert with_usage == (chunks[-1:] if recording.asked_for_usage else [])
    assert all(chunk["choices"] == [] for chunk in with_usage)
    ids = [
        call["id"]
        for chunk in chunks
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls") or ()
        if "id" in call
    ]
    assert len(ids) == len(set(ids))
