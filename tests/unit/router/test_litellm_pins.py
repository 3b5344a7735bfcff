"""LiteLLM's internal names, pinned: an upgrade that moves or bends one fails here, by provider."""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from litellm.utils import get_optional_params

from gateway_router.dialects import litellm_names as names
from gateway_router.kinds import kind_of
from gateway_router.litellm_catalogue import cost_map, guess_provider, provider_names


def parameters(function: object) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]  # type: ignore[arg-type]


def test_anthropic_s_request_and_answer() -> None:
    config = names.AnthropicConfig
    assert parameters(config.map_openai_params) == ["non_default_params", "optional_params", "model", "drop_params"]
    assert parameters(config.transform_request) == ["model", "messages", "optional_params", "litellm_params", "headers"]
    assert parameters(config.validate_environment)[:7] == [
        "headers", "model", "messages", "optional_params", "litellm_params", "api_key", "api_base",
    ]  # fmt: skip
    assert {"completion_response", "raw_response", "model_response", "json_mode", "tool_name_reverse_map"} <= set(
        parameters(config.transform_parsed_response)
    )
    optional = config().map_openai_params({"max_tokens": 5, "temperature": 0.5}, {}, "claude-sonnet-4-5", False)
    assert optional == {"max_tokens": 5, "temperature": 0.5}


def test_anthropic_s_stream_parser() -> None:
    parser = names.AnthropicStreamParser(None, sync_stream=False, json_mode=False, tool_name_reverse_map={})
    chunk = parser.chunk_parser(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}}
    )
    assert chunk.choices[0].delta.content == "hi"
    stopped = parser.chunk_parser({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}})
    assert stopped.choices[0].finish_reason == "length"


def test_gemini_s_request_and_answer() -> None:
    config = names.GoogleAIStudioGeminiConfig()
    optional = config.map_openai_params({"max_tokens": 5}, {}, "gemini-2.5-flash", False)
    body = names.gemini_request_body(
        messages=[{"role": "user", "content": "hi"}],
        model="gemini-2.5-flash",
        optional_params=optional,
        custom_llm_provider="gemini",
        litellm_params={},
        cached_content=None,
    )
    assert body["contents"] == [{"role": "user", "parts": [{"text": "hi"}]}]
    assert body["generationConfig"] == {"max_output_tokens": 5}
    answer = {"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}], "usageMetadata": {}}
    response = config.transform_google_generate_content_to_openai_model_response(
        answer, names.ModelResponse(), "gemini-2.5-flash", names.NoLogging({}), httpx.Response(200)
    )
    assert (response.choices[0].message.content, response.choices[0].finish_reason) == ("hi", "stop")


def test_gemini_s_stream_parser() -> None:
    parser = names.GeminiStreamParser(None, sync_stream=False, logging_obj=names.NoLogging({}))
    chunk = parser.chunk_parser({"candidates": [{"content": {"parts": [{"text": "hi"}]}, "index": 0}]})
    assert chunk is not None
    assert chunk.choices[0].delta.content == "hi"


def test_the_long_tail_s_client() -> None:
    assert {"custom_llm_provider", "max_retries"} <= set(parameters(names.litellm.get_optional_params))
    assert {"timeout", "stream_options"} <= set(parameters(names.litellm.acompletion))
    assert names.litellm.LITELLM_EXCEPTION_TYPES
    assert hasattr(names.litellm.CustomStreamWrapper, "aclose")
    assert names.litellm.REPEATED_STREAMING_CHUNK_LIMIT > 1_000_000


@pytest.mark.parametrize(
    ("model", "provider"), [("gpt-4o", "openai"), ("groq/llama-3.1-8b-instant", "groq"), ("no-such-model", None)]
)
def test_what_litellm_says_of_a_name(model: str, provider: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    guessed = guess_provider(model)
    assert (guessed and guessed[0]) == provider
    assert capsys.readouterr().out == ""


def test_the_price_map_is_the_package_s_own() -> None:
    assert len(cost_map()) > 3_000
    assert cost_map()["gpt-4o"]["mode"] == "chat"


def modules_after(program: str) -> set[str]:
    """What a fresh interpreter has imported after `program`."""
    program += "\nimport json, sys\nsys.stdout.write(json.dumps(list(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return set(json.loads(ended.stdout.splitlines()[-1]))


def test_no_more_of_the_proxy_is_imported_than_litellm_itself_does() -> None:
    bare = "import os\nos.environ['LITELLM_LOCAL_MODEL_COST_MAP'] = 'True'\nimport litellm"
    unavoidable = {name for name in modules_after(bare) if name.startswith("litellm.proxy")}
    ours = {name for name in modules_after("import gateway_router.app") if name.startswith("litellm.proxy")}
    assert ours == unavoidable
    assert "litellm.proxy.proxy_server" not in ours


FIRST_CALL = """
import asyncio, sys
from gateway_router.dialects.litellm_names import import_for_calls, litellm

async def first_call():
    async def answer(reader, writer):
        await reader.readuntil(b"\\r\\n\\r\\n")
        body = b'{"id": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}}]}'
        writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: %d\\r\\nconnection: close\\r\\n\\r\\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = "http://127.0.0.1:%d/v1" % server.sockets[0].getsockname()[1]
    messages = [{"role": "user", "content": "hello"}]
    answer = await litellm.acompletion(
        model="m", messages=messages, custom_llm_provider="together_ai", api_base=url, api_key="k"
    )
    assert answer.choices[0].message.content == "hi"

import_for_calls()
before = set(sys.modules)
asyncio.run(first_call())
heavy = ("litellm.proxy", "litellm._service_logger", "litellm.litellm_core_utils", "tiktoken")
assert not [name for name in set(sys.modules) - before if name.startswith(heavy)]
"""


def test_the_first_call_through_litellm_finds_imported_what_takes_long() -> None:
    """Or the event loop would stand still for it."""
    assert "tiktoken" in modules_after(FIRST_CALL)


def test_exporting_prices_imports_nothing_of_litellm(tmp_path: Path) -> None:
    program = (
        "import sys, runpy\n"
        f"sys.argv = ['gateway_router', 'export-prices', '--output', {str(tmp_path / 'prices.json')!r}]\n"
        "try:\n    runpy.run_module('gateway_router', run_name='__main__')\n"
        "except SystemExit as ended:\n    assert not ended.code"
    )
    assert "litellm" not in {name.partition(".")[0] for name in modules_after(program)}
    assert (tmp_path / "prices.json").stat().st_size > 100_000


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_kind_of_litellm_s_takes_a_stream_as_we_ask_for_it() -> None:
    for name in provider_names():
        kind = kind_of(name)
        if kind.wire == "litellm":
            options = {"stream_options": {"include_usage": True}} if kind.streams_usage else {}
            taken = get_optional_params(model="some-model", custom_llm_provider=name, stream=True, **options)
            assert taken.get("stream", True), name
