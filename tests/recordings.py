"""Recorded provider traffic (`../shared/recordings`): loading it, and replaying it as a provider."""

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

    @property
    def data_lines(self) -> list[str]:
        """Of a stream: its lines of data, `data:` included."""
        return [line.strip() for line in self.body.splitlines() if line.startswith("data:")]

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
