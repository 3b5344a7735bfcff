"""Recorded provider traffic (`../shared/recordings`): loading it, replaying it, and judging what a client received.

What each exchange should mean is worked out here from the provider's own bytes, without the product's code.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

Json = dict[str, Any]

DEV_RECORDINGS = Path(__file__).parents[2] / "shared" / "recordings" / "dev.jsonl"
PROVIDER_NAMES = {"openai": "openai", "anthropic": "anthropic", "gemini": "google", "llama": "meta"}
"""Under what name a recording's provider is registered with the gateway."""

_ANTHROPIC_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_GEMINI_FINISH = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter"}
_RELAYED_STATUS = {401: 502, 402: 502, 403: 502, 529: 503}


@dataclass(frozen=True)
class Recording:
    """One exchange; `mode` is sync, stream or err."""

    id: str
    provider: str
    mode: str
    openai_request: Json
    status: int
    headers: list[tuple[str, str]]
    body: str

    @property
    def asked_for_usage(self) -> bool:
        return bool((self.openai_request.get("stream_options") or {}).get("include_usage"))

    @property
    def is_openai_wire(self) -> bool:
        return self.provider in ("openai", "llama")

    @property
    def is_stream(self) -> bool:
        """Whether the client asks for a stream; an error may answer that too."""
        return self.mode == "stream" or bool(self.openai_request.get("stream"))

    def request(self) -> Json:
        """What an OpenAI client sends to the gateway."""
        model = f"{PROVIDER_NAMES[self.provider]}/{self.openai_request['model']}"
        request = {**self.openai_request, "model": model}
        return {**request, "stream": True} if self.is_stream else request


@dataclass(frozen=True)
class Received:
    """What the client got; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def load_recordings(path: Path = DEV_RECORDINGS) -> list[Recording]:
    """Nothing where the folder is absent."""
    if not path.is_file():
        return []
    with path.open() as lines:
        rows = [json.loads(line) for line in lines]
    return [
        Recording(
            row["id"],
            row["provider"],
            row["mode"],
            row["openai_request"],
            row["status"],
            [(name, value) for name, value in row["headers"]],
            row["body"],
        )
        for row in rows
    ]


Cut = Callable[[bytes], Iterator[bytes]]
"""How a stream's bytes are parted on their way to the gateway."""


def whole(body: bytes) -> Iterator[bytes]:
    yield body


def by_event(body: bytes) -> Iterator[bytes]:
    separator = b"\r\n\r\n" if b"\r\n\r\n" in body else b"\n\n"
    for event in body.split(separator):
        if event:
            yield event + separator


def at_odd_places(body: bytes) -> Iterator[bytes]:
    """Pieces of 1, 2, 3, 5, ... bytes, growing and starting again: within lines, words and characters."""
    sizes = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 377)
    start = number = 0
    while start < len(body):
        end = start + sizes[number % len(sizes)]
        yield body[start:end]
        start, number = end, number + 1


@dataclass
class Replay:
    """A provider that answers whatever it is asked with `playing`, and keeps what it was asked."""

    playing: Recording | None = None
    cut: Cut = by_event
    asked: list[Json] = field(default_factory=list)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        recording = self.playing
        assert recording is not None
        headers = dict(recording.headers)
        body = recording.body.encode()
        if recording.mode != "stream":
            return web.Response(status=recording.status, body=body, headers=headers)
        response = web.StreamResponse(status=recording.status, headers=headers)
        await response.prepare(request)
        for piece in self.cut(body):
            await response.write(piece)
        return response


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
            _same_meaning(recording, _joined(chunks))
    elif recording.is_openai_wire:
        assert json.loads(received.body) == json.loads(recording.body)
    else:
        _same_meaning(recording, _plain(json.loads(received.body)))


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
    return [json.loads(line[5:]) for line in _data_lines(recording) if not line.endswith("[DONE]")]


def _comparable(recording: Recording, chunks: list[Json]) -> list[Json]:
    """Without the usage chunk and `usage: null` for a client that did not ask for usage."""
    if recording.asked_for_usage:
        return chunks
    return [_without_null_usage(chunk) for chunk in chunks if not _is_usage_chunk(chunk)]


def _is_usage_chunk(chunk: Json) -> bool:
    return bool(chunk.get("usage")) and not chunk["choices"]


def _without_null_usage(chunk: Json) -> Json:
    return {name: value for name, value in chunk.items() if not (name == "usage" and value is None)}


def _data_lines(recording: Recording) -> list[str]:
    return [line.strip() for line in recording.body.splitlines() if line.startswith("data:")]


@dataclass(frozen=True)
class Meaning:
    """What an answer says, whatever its dialect; tool calls are name and arguments."""

    text: str
    tool_calls: list[tuple[str, Any]]
    finish_reason: str | None
    prompt_tokens: int
    completion_tokens: int


def _same_meaning(recording: Recording, got: Meaning) -> None:
    said = _anthropic_meaning(recording) if recording.provider == "anthropic" else _gemini_meaning(recording)
    if recording.mode == "stream" and not recording.asked_for_usage:
        said = Meaning(said.text, said.tool_calls, said.finish_reason, 0, 0)
    assert got == said


def _anthropic_meaning(recording: Recording) -> Meaning:
    events = (
        [json.loads(line[5:]) for line in _data_lines(recording)]
        if recording.mode == "stream"
        else [{"type": "message", "message": json.loads(recording.body)}]
    )
    blocks: dict[int, Json] = {}
    stop_reason = None
    usage: Json = {}
    for event in events:
        match event["type"]:
            case "message":
                blocks = dict(enumerate(event["message"]["content"]))
                stop_reason, usage = event["message"]["stop_reason"], event["message"]["usage"]
            case "message_start":
                usage = dict(event["message"]["usage"])
            case "content_block_start":
                blocks[event["index"]] = {**event["content_block"], "json": ""}
            case "content_block_delta":
                block, delta = blocks[event["index"]], event["delta"]
                block["text"] = block.get("text", "") + delta.get("text", "")
                block["json"] += delta.get("partial_json", "")
            case "message_delta":
                stop_reason = event["delta"]["stop_reason"]
                usage.update(event["usage"])
    calls = [
        (block["name"], json.loads(block["json"]) if block.get("json") else block["input"])
        for block in blocks.values()
        if block["type"] == "tool_use"
    ]
    text = "".join(block["text"] for block in blocks.values() if block["type"] == "text")
    cached = (usage.get("cache_read_input_tokens") or 0) + (usage.get("cache_creation_input_tokens") or 0)
    finish = _ANTHROPIC_FINISH[stop_reason] if stop_reason else None
    return Meaning(text, calls, finish, usage["input_tokens"] + cached, usage["output_tokens"])


def _gemini_meaning(recording: Recording) -> Meaning:
    events = (
        [json.loads(line[5:]) for line in _data_lines(recording)]
        if recording.mode == "stream"
        else [json.loads(recording.body)]
    )
    text, finish = "", None
    calls: list[tuple[str, Any]] = []
    usage: Json = {}
    for event in events:
        candidate = (event.get("candidates") or [{}])[0]
        for part in candidate.get("content", {}).get("parts", ()):
            if "functionCall" in part:
                calls.append((part["functionCall"]["name"], part["functionCall"]["args"]))
            elif not part.get("thought"):
                text += part.get("text", "")
        finish = candidate.get("finishReason") or finish
        usage = event.get("usageMetadata") or usage
    output = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
    mapped = "tool_calls" if calls else _GEMINI_FINISH[finish or "STOP"]
    return Meaning(text, calls, mapped, usage["promptTokenCount"], output)


def _plain(answer: Json) -> Meaning:
    [choice] = answer["choices"]
    calls = [
        (call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in choice["message"].get("tool_calls") or ()
    ]
    usage = answer["usage"]
    return Meaning(
        choice["message"]["content"] or "",
        calls,
        choice["finish_reason"],
        usage["prompt_tokens"],
        usage["completion_tokens"],
    )


def _joined(chunks: list[Json]) -> Meaning:
    text, finish, usage = "", None, {"prompt_tokens": 0, "completion_tokens": 0}
    calls: dict[int, Json] = {}
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        for choice in chunk["choices"]:
            text += choice["delta"].get("content") or ""
            finish = choice["finish_reason"] or finish
            for call in choice["delta"].get("tool_calls") or ():
                kept = calls.setdefault(call["index"], {"name": "", "arguments": ""})
                kept["name"] += call["function"].get("name") or ""
                kept["arguments"] += call["function"].get("arguments") or ""
    named = [(call["name"], json.loads(call["arguments"])) for _, call in sorted(calls.items())]
    return Meaning(text, named, finish, usage["prompt_tokens"], usage["completion_tokens"])


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
