"""What is asked of every target: the shapes of load, and the request that stands for each. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

Dialect = Literal["openai", "anthropic", "gemini"]

STREAM_RATE_PER_S = 30
"""Chunks a second of an open stream: a fast model's."""


@dataclass(frozen=True, slots=True)
class Shape:
    """`chunks` 0 is a JSON answer, after `wait_us`. `requests_each` 0 goes on until the time is up.

    With `refused_pause_ms` a refusal (503, 429) is no fault: it is timed, and its connection asks again after so
    long, give or take half of it.
    """

    name: str
    title: str
    connections: int
    prompt_bytes: int = 200
    answer_bytes: int = 1000
    chunks: int = 0
    gap_us: int = 0
    burst: int = 1
    requests_each: int = 0
    ramp_ms: int = 0
    wait_us: int = 0
    refused_pause_ms: int = 0
    dialect: Dialect = "openai"

    @property
    def is_stream(self) -> bool:
        return self.chunks > 0

    @property
    def marker(self) -> str:
        """Tells the provider what to answer, through whatever gateway carries the prompt (native/provider.c)."""
        if self.is_stream:
            return f"[[bench chunks={self.chunks} gap_us={self.gap_us} burst={self.burst}]]"
        return f"[[bench bytes={self.answer_bytes} wait_us={self.wait_us}]]"


_SPACED = Shape("sse", "streams of 50 chunks, 2 ms apart, 16 connections", 16, chunks=50, gap_us=2000, ramp_ms=100)

SHAPES = {
    shape.name: shape
    for shape in (
        Shape("json-16", "JSON, 16 connections", 16),
        _SPACED,
        replace(
            _SPACED, name="burst", title="streams of 50 chunks, 10 every 20 ms, 16 connections", gap_us=20_000, burst=10
        ),
        Shape("json-1", "JSON, 1 connection", 1),
        Shape("json-64", "JSON, 64 connections", 64, ramp_ms=100),
        Shape("json-256", "JSON, 256 connections", 256, ramp_ms=300),
        Shape("body-20k", "JSON, a body of 20 KB, 16 connections", 16, prompt_bytes=20_000),
        Shape("body-1m", "JSON, a body of 1 MB, 4 connections", 4, prompt_bytes=1_000_000),
        Shape("open", "streams open at once, 30 chunks/s each", 300, chunks=1, gap_us=1_000_000 // STREAM_RATE_PER_S,
              requests_each=1, ramp_ms=1000),
        Shape("stream-1000", "streams open at once", 1000, chunks=1, requests_each=1, ramp_ms=4000),
        Shape("idle", "streams open at once, silent between two chunks", 1000, chunks=2, requests_each=1),
        Shape("overload", "JSON, 5 times what is taken at once: 200 connections, answers after 250 ms", 200,
              wait_us=250_000, refused_pause_ms=250, ramp_ms=250),
        replace(_SPACED, name="sse-anthropic", title="the same from Anthropic's dialect", dialect="anthropic"),
        replace(_SPACED, name="sse-gemini", title="the same from Gemini's dialect", dialect="gemini"),
    )
}  # fmt: skip


def sized(shape: Shape, *, seconds: float, streams: int, idle_streams: int) -> Shape:
    """The shapes of open streams hold so many open, all at once for `seconds`; the others are what they are."""
    if shape.name == "open":
        chunks = max(1, round(seconds * STREAM_RATE_PER_S))
        return replace(shape, title=f"{streams:,} {shape.title}", connections=streams, chunks=chunks)
    if shape.name == "stream-1000":
        return at_rate(shape, STREAM_RATE_PER_S, seconds=seconds)
    if shape.name == "idle":
        ramp_ms = idle_streams  # a thousand a second
        gap_us = round(seconds * 1e6) + ramp_ms * 1000
        title = f"{idle_streams:,} {shape.title}"
        return replace(shape, title=title, connections=idle_streams, gap_us=gap_us, ramp_ms=ramp_ms)
    return shape


def at_rate(shape: Shape, chunks_per_s: float, *, seconds: float) -> Shape:
    """One stream on each connection, of `chunks_per_s`: all are open for `seconds`."""
    title = f"{shape.connections:,} streams open at once, {chunks_per_s:g} chunks/s each"
    chunks = max(1, round((seconds + shape.ramp_ms / 1e3) * chunks_per_s))
    return replace(shape, title=title, chunks=chunks, gap_us=round(1e6 / chunks_per_s), requests_each=1)


def prompt(shape: Shape) -> str:
    text = f"{shape.marker} Say something useful. "
    return (text + "The quick brown fox jumps over the lazy dog. " * (shape.prompt_bytes // 45 + 1))[
        : max(shape.prompt_bytes, len(text))
    ]


def chat_body(shape: Shape, model: str) -> bytes:
    """A chat completion in OpenAI's wire, which every target speaks."""
    body: dict[str, object] = {"model": model}
    if shape.is_stream:
        body["stream"] = True
    body["messages"] = [{"role": "user", "content": prompt(shape)}]
    return json.dumps(body).encode()


def http_request(port: int, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """The whole request, as the load generator sends it over and over."""
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body
