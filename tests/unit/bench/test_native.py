"""The provider and the load generator, compiled and run against each other."""

import asyncio
import itertools
import json
import shutil
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from openai import OpenAI

from bench import load
from bench.load import LoadFailed, run_load
from bench.native import provider
from bench.rig import Target
from bench.shapes import SHAPES, chat_body

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")

MODELS = {"openai": "gpt-4o", "anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}
STREAM = replace(SHAPES["sse"], connections=4, chunks=20, gap_us=1000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    with provider(folder) as port:
        yield port


def target(port: int, path: str = "/v1/chat/completions") -> Target:
    return Target("direct", port, {}, path=path, models=MODELS)


def test_json_answers_are_counted_and_timed(port: int, folder: Path) -> None:
    outcome = run_load(target(port), SHAPES["json-16"], seconds=0.3, folder=folder)
    assert outcome.finished > 100
    assert 0 < outcome.latency.p50 <= outcome.latency.p99 <= outcome.latency.max


def test_a_large_body_arrives_whole(port: int, folder: Path) -> None:
    assert run_load(target(port), SHAPES["body-1m"], seconds=0.2, folder=folder).finished > 0


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1beta/models/g:streamGenerateContent"])
def test_every_chunk_of_a_stream_is_stamped_and_timed(port: int, folder: Path, path: str) -> None:
    outcome = run_load(target(port, path), STREAM, seconds=0.2, folder=folder)
    assert outcome.chunks == outcome.finished * 20
    assert outcome.latency.p50 > 19
    assert outcome.first_token
    assert outcome.first_token.p50 < outcome.latency.p50
    assert outcome.chunk_delay
    assert 0 < outcome.chunk_delay.p50 < 19


def test_each_open_stream_is_asked_for_once(port: int, folder: Path) -> None:
    shape = replace(STREAM, connections=50, requests_each=1)
    assert run_load(target(port), shape, seconds=0.1, folder=folder).finished == 50


def test_a_stream_with_a_chunk_missing_is_a_failure(port: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "chat_body", lambda shape, model: chat_body(replace(shape, chunks=19), model))
    with pytest.raises(LoadFailed, match="chunks in an answer: 19"):
        run_load(target(port), STREAM, seconds=0.1, folder=folder)


def test_a_server_that_is_not_there_is_a_failure(folder: Path) -> None:
    with pytest.raises(LoadFailed):
        run_load(target(1), SHAPES["json-1"], seconds=0.1, folder=folder)


def test_a_json_answer_can_be_made_to_wait(port: int, folder: Path) -> None:
    outcome = run_load(target(port), replace(SHAPES["json-16"], wait_us=50_000), seconds=0.2, folder=folder)
    assert outcome.latency.p50 >= 50


REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\nRetry-After: 1\r\n\r\n{}"

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Every second request of a connection."""
    for count in itertools.count():
        try:
            await reader.readuntil(b"}]}")
        except asyncio.IncompleteReadError:
            break
        writer.write(REFUSAL if count % 2 else ANSWER)
    writer.close()


async def test_refusals_are_timed_on_their_own_and_asked_again_after_a_pause(folder: Path) -> None:
    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        shape = replace(SHAPES["json-16"], refused_pause_ms=50)
        refusing = target(server.sockets[0].getsockname()[1])
        outcome = await asyncio.to_thread(run_load, refusing, shape, seconds=0.5, folder=folder)
        with pytest.raises(LoadFailed, match="503"):
            await asyncio.to_thread(run_load, refusing, SHAPES["json-16"], seconds=0.1, folder=folder)
    assert outcome.refusal
    assert 16 <= outcome.refused <= 16 * 11
    assert outcome.finished >= outcome.refused


def test_openais_own_client_reads_its_streams_with_usage(port: int) -> None:
    with OpenAI(api_key="k", base_url=f"http://127.0.0.1:{port}/v1", max_retries=0) as client:
        chunks = list(
            client.chat.completions.create(
                model="gpt-4o",
                messages=[{"role": "user", "content": STREAM.marker}],
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    assert sum(bool(chunk.choices and chunk.choices[0].delta.content) for chunk in chunks) == 20
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == 20


@pytest.mark.parametrize("path", ["chat/completions", "messages", "models/g:generateContent"])
def test_a_json_answer_is_as_long_as_was_asked_in_every_dialect(port: int, path: str) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/{path}", data=chat_body(SHAPES["json-1"], "m"), method="POST"
    )
    with urllib.request.urlopen(request) as answer:
        body = answer.read()
    assert len(body) == 1000
    json.loads(body)
