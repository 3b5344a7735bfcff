"""Providers that mean harm, met by calls: the client is told, there is one event, and nothing grows without bound."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from gateway_router.limits import CallLimits
from gateway_router.transports.http1 import Http1Transport
from gateway_shared.usage_event import UsageEvent
from tests.integration.router.http1_server import Script, listening
from tests.integration.router.router_rig import RouterRig, open_rig, providers_at
from tests.integration.router.test_calls import PLAIN_OR_STREAM, data_of, one_event
from tests.recordings import Received
from tests.servers import Certificates

MIB = 1024 * 1024
LIMIT = 4 * MIB
"""Of an answer's bytes, here."""
MODELS = {"openai": "openai/m", "anthropic": "anthropic/m", "google": "google/m", "tail": "tail/m"}
EVERY_WIRE = pytest.mark.parametrize("provider", MODELS)
LIMITS = CallLimits(call_s=20, first_byte_s=10, silence_s=10)


def _event(data: object) -> bytes:
    return b"data: %s\n\n" % json.dumps(data).encode()


def _openai(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return _event({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


def _anthropic(text: str) -> bytes:
    return _event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})


def _gemini(text: str) -> bytes:
    return _event({"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}]})


DELTAS: dict[str, Callable[[str], bytes]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "google": _gemini,
    "tail": _openai,
}


@cache
def bomb() -> bytes:
    return gzip.compress(bytes(100 * MIB))


def head(*fields: str, is_stream: bool) -> bytes:
    kind = "text/event-stream" if is_stream else "application/json"
    return "\r\n".join(["HTTP/1.1 200 OK", f"Content-Type: {kind}", "Connection: close", *fields, "", ""]).encode()


def answering(*parts: bytes, for_ever: bytes = b"") -> Script:
    """Sends `parts`, then `for_ever` again and again."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(asked.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        for part in parts:
            writer.write(part)
            await writer.drain()
        while for_ever:
            writer.write(for_ever)
            await writer.drain()

    return serve


@asynccontextmanager
async def router_before(script: Script, certificates: Certificates, folder: Path) -> AsyncIterator[RouterRig]:
    async with listening(script) as port:
        url = f"http://127.0.0.1:{port}"
        providers = {name: one for name, one in providers_at(url).items() if name in MODELS}
        providers["tail"] = replace(providers["openai"], name="tail", wire="litellm", litellm_name="deepseek")
        async with open_rig(certificates, folder, providers, LIMITS) as router:
            yield router


async def ask(router: RouterRig, provider: str, *, stream: bool) -> Received:
    messages = [{"role": "user", "content": "one two"}]
    async with asyncio.timeout(15):
        return await router.call({"model": MODELS[provider], "messages": messages, "stream": stream})


def error_of(received: Received) -> str:
    error = json.loads(received.body)["error"] if received.status != 200 else data_of(received)[-1]["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert b"[DONE]" not in received.body
    return str(error["code"])


def not_billed_as_whole(event: UsageEvent) -> bool:
    return event.status in ("failed", "partial") and event.usage_source in ("estimated", "unknown")


@pytest.fixture(autouse=True)
def _smaller_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("exchange", "transports.transport", "transports.litellm_http"):
        monkeypatch.setattr(f"gateway_router.{module}.MAX_ANSWER_BYTES", LIMIT)


@EVERY_WIRE
@PLAIN_OR_STREAM
async def test_a_body_of_half_a_gigabyte(
    provider: str, stream: bool, certificates: Certificates, tmp_path: Path
) -> None:
    script = answering(head("Content-Length: 500000000", is_stream=stream), for_ever=b" " * 64 * 1024)
    async with router_before(script, certificates, tmp_path) as router:
        assert error_of(await ask(router, provider, stream=stream)) == "upstream_error"
        assert not_billed_as_whole(one_event(router))


@EVERY_WIRE
@PLAIN_OR_STREAM
async def test_a_bomb_of_gzip(provider: str, stream: bool, certificates: Certificates, tmp_path: Path) -> None:
    script = answering(head(f"Content-Length: {len(bomb())}", "Content-Encoding: gzip", is_stream=stream), bomb())
    async with router_before(script, certificates, tmp_path) as router:
        assert error_of(await ask(router, provider, stream=stream)) == "upstream_error"
        assert not_billed_as_whole(one_event(router))


@EVERY_WIRE
async def test_a_stream_without_an_end(provider: str, certificates: Certificates, tmp_path: Path) -> None:
    script = answering(head(is_stream=True), for_ever=DELTAS[provider]("x" * 10_000))
    async with router_before(script, certificates, tmp_path) as router:
        received = await ask(router, provider, stream=True)
        assert error_of(received) == "upstream_error"
        assert len(received.body) < 2 * LIMIT
        event = one_event(router)
        assert (event.status, event.finish_state, event.usage_source) == ("partial", "upstream_cut", "estimated")
        assert event.tokens.output_tokens > 100_000


@EVERY_WIRE
async def test_a_stream_of_comments_without_an_end(
    provider: str, certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_router.transports.litellm_http.MAX_LINES", 5_000)
    script = answering(head(is_stream=True), for_ever=b": nothing\n\n" * 1_000)
    async with router_before(script, certificates, tmp_path) as router:
        assert error_of(await ask(router, provider, stream=True)) == "upstream_error"
        assert not_billed_as_whole(one_event(router))


@pytest.mark.parametrize("provider", ["anthropic", "google"])
async def test_a_stream_of_more_events_than_any_answer_has(
    provider: str, certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_router.dialects.translated.MAX_EVENTS", 200)
    script = answering(head(is_stream=True), for_ever=DELTAS[provider]("x"))
    async with router_before(script, certificates, tmp_path) as router:
        assert error_of(await ask(router, provider, stream=True)) == "upstream_error"
        assert not_billed_as_whole(one_event(router))


@EVERY_WIRE
async def test_lines_of_a_megabyte_are_relayed(provider: str, certificates: Certificates, tmp_path: Path) -> None:
    text = "y" * MIB
    script = answering(head(is_stream=True), DELTAS[provider](text), DELTAS[provider](text))
    async with router_before(script, certificates, tmp_path) as router:
        received = await ask(router, provider, stream=True)
        assert received.body.count(b"y" * MIB) == 2
        assert error_of(received) == "upstream_error", "it has no finish"
        assert one_event(router).tokens.output_tokens >= 2 * MIB // 4


@EVERY_WIRE
async def test_a_line_without_an_end(
    provider: str, certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("transports.transport", "transports.litellm_http"):
        monkeypatch.setattr(f"gateway_router.{module}.MAX_ANSWER_BYTES", 128 * MIB)
    script = answering(head(is_stream=True), b'data: {"x": "', for_ever=b"x" * 64 * 1024)
    async with router_before(script, certificates, tmp_path) as router:
        assert error_of(await ask(router, provider, stream=True)) == "upstream_error"
        assert not_billed_as_whole(one_event(router))


NEGATIVE = {
    "openai": ("usage", {"prompt_tokens": -1000, "completion_tokens": -5, "total_tokens": -1005}),
    "anthropic": ("usage", {"input_tokens": -1000, "output_tokens": 10**15}),
    "google": ("usageMetadata", {"promptTokenCount": -1000, "candidatesTokenCount": -5, "totalTokenCount": 1}),
    "tail": ("usage", {"prompt_tokens": -1000, "completion_tokens": -5, "total_tokens": -1005}),
}
WHOLE: dict[str, dict[str, object]] = {
    "openai": {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}],
    },
    "anthropic": {
        "id": "c",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "yes"}],
    },
    "google": {
        "candidates": [{"content": {"parts": [{"text": "yes"}], "role": "model"}, "finishReason": "STOP", "index": 0}],
        "modelVersion": "m",
    },
}


@EVERY_WIRE
async def test_negative_usage_is_never_billed(provider: str, certificates: Certificates, tmp_path: Path) -> None:
    name, usage = NEGATIVE[provider]
    body = json.dumps({**WHOLE.get(provider, WHOLE["openai"]), name: usage}).encode()
    script = answering(head(f"Content-Length: {len(body)}", is_stream=False), body)
    async with router_before(script, certificates, tmp_path) as router:
        received = await ask(router, provider, stream=False)
        assert (received.status, json.loads(received.body)["choices"][0]["message"]["content"]) == (200, "yes")
        event = one_event(router)
        assert (event.status, event.usage_source) == ("settled", "estimated")
        assert event.tokens.input_tokens > 0
        assert 0 < event.tokens.output_tokens < 1_000


@EVERY_WIRE
async def test_a_cookie_and_other_headers_stay_where_they_are(
    provider: str, certificates: Certificates, tmp_path: Path
) -> None:
    body = json.dumps(WHOLE.get(provider, WHOLE["openai"])).encode()
    fields = ("Set-Cookie: who=you; Path=/", "X-Api-Key: sk-1", "Access-Control-Allow-Origin: *", "Server: evil")
    script = answering(head(f"Content-Length: {len(body)}", *fields, is_stream=False), body)
    async with router_before(script, certificates, tmp_path) as router:
        received = await ask(router, provider, stream=False)
        assert received.status == 200
        told = {name.lower() for name in received.headers}
        assert not told & {"set-cookie", "x-api-key", "access-control-allow-origin", "server"}
        one_event(router)


@EVERY_WIRE
async def test_an_answer_for_which_no_memory_is_left(provider: str, certificates: Certificates, tmp_path: Path) -> None:
    script = answering(head(f"Content-Length: {MIB}", is_stream=False), b" " * MIB)
    async with router_before(script, certificates, tmp_path) as router:
        transport = router.calls.speeches["openai"].transport
        assert isinstance(transport, Http1Transport)
        budget = transport.budget
        budget.take(budget.max_bytes - 1_000)
        received = await ask(router, provider, stream=False)
        assert received.status == 503
        assert received.headers.get("retry-after") == "1"
        assert error_of(received) == "overloaded"
        assert budget.held_bytes == budget.max_bytes - 1_000
        event = one_event(router)
        assert (event.status, event.finish_state, event.usage_source) == ("failed", "gateway_lost", "unknown")


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
async def test_a_long_event_for_which_no_memory_is_left(
    provider: str, certificates: Certificates, tmp_path: Path
) -> None:
    whole = DELTAS[provider]("hello")
    script = answering(head(is_stream=True), whole, b'data: {"x": "', for_ever=b"x" * 64 * 1024)
    async with router_before(script, certificates, tmp_path) as router:
        transport = router.calls.speeches["openai"].transport
        assert isinstance(transport, Http1Transport)
        budget = transport.budget
        budget.take(budget.max_bytes - MIB)
        received = await ask(router, provider, stream=True)
        assert error_of(received) == "overloaded"
        assert b"hello" in received.body
        assert budget.held_bytes == budget.max_bytes - MIB
        event = one_event(router)
        assert (event.status, event.finish_state, event.usage_source) == ("partial", "gateway_lost", "estimated")
