"""What a newcomer does in the first minutes: four providers, four clients, and the cost of it in SQL."""

import asyncio
import json
import shutil
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import openai
import pytest
from langchain_core.messages import AIMessageChunk
from langchain_openai import ChatOpenAI

from tests.acceptance.ledger import Ledger
from tests.acceptance.stack import Stack

PROMPT = "Count the seven words of this line"
"""Seven words in; `words=20` below asks the simulator for twenty words out. The directive counts as words too."""
DIRECTIVE = "[[sim words=20]]"
INPUT_TOKENS = 9
OUTPUT_TOKENS = 20


@dataclass(frozen=True)
class Priced:
    """A model, its dated name, and the price in USD per million tokens, worked out by hand below."""

    model: str
    price_provider: str
    cost_nano_usd: int


MODELS = [
    # 9 in x 2.50 USD/M = 22,500 nano-USD; 20 out x 10 USD/M = 200,000 nano-USD
    Priced("gpt-4o", "openai", 22_500 + 200_000),
    # 9 in x 3 USD/M = 27,000; 20 out x 15 USD/M = 300,000
    Priced("claude-sonnet-4-5", "anthropic", 27_000 + 300_000),
    # 9 in x 0.30 USD/M = 2,700; 20 out x 2.50 USD/M = 50,000
    Priced("gemini-2.5-flash", "google", 2_700 + 50_000),
    # 9 in x 0.88 USD/M = 7,920; 20 out x 0.88 USD/M = 17,600
    Priced("Llama-3.3-70B-Instruct", "meta", 7_920 + 17_600),
]
models = pytest.mark.parametrize("priced", MODELS, ids=lambda priced: priced.model)


Langchain = Callable[[str, dict[str, str]], ChatOpenAI]


@pytest.fixture
async def langchain(stack: Stack) -> AsyncIterator[Langchain]:
    """ChatOpenAI by model name and headers, as a LangChain developer makes it.

    With an HTTP client of its own: LangChain keeps one per base URL for the life of the process, and each test
    has an event loop of its own.
    """
    async with httpx.AsyncClient() as client:
        yield lambda model, headers: ChatOpenAI(
            base_url=f"{stack.edge_url}/v1/langchain",
            api_key=stack.run["langchain_key"],
            model=model,
            default_headers=headers,
            http_async_client=client,
        )


def assert_priced(row: dict[str, object], priced: Priced, channel: str) -> None:
    assert row["status"] == "settled"
    assert row["channel"] == channel
    assert row["provider"] == "simulator"
    assert row["model_requested"] == priced.model
    assert (row["input_tokens"], row["output_tokens"]) == (INPUT_TOKENS, OUTPUT_TOKENS)
    assert row["cost_nano_usd"] == priced.cost_nano_usd


@models
async def test_langchain_streams_an_answer_whose_cost_is_in_the_ledger(
    langchain: Langchain, ledger: Ledger, priced: Priced
) -> None:
    run_id = f"run-{uuid.uuid4()}"
    chat = langchain(priced.model, {"X-Agent-Run-Id": run_id})
    answer = AIMessageChunk(content="")
    chunks = 0
    async for chunk in chat.astream(f"{PROMPT} {DIRECTIVE}"):
        answer += chunk
        chunks += 1
    assert chunks > 5
    assert len(str(answer.content).split()) == OUTPUT_TOKENS
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["input_tokens"] == INPUT_TOKENS
    assert answer.usage_metadata["output_tokens"] == OUTPUT_TOKENS
    assert_priced(await ledger.usage_of_run(run_id), priced, "langchain")


@models
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_the_openai_sdk_gets_an_answer_whose_cost_is_in_the_ledger(
    stack: Stack, ledger: Ledger, priced: Priced, stream: bool
) -> None:
    run_id = f"run-{uuid.uuid4()}"
    messages: Any = [{"role": "user", "content": f"{PROMPT} {DIRECTIVE}"}]
    headers = {"X-Agent-Run-Id": run_id}
    async with openai.AsyncOpenAI(base_url=f"{stack.edge_url}/v1", api_key=stack.run["standard_key"]) as client:
        if stream:
            answers = await client.chat.completions.create(
                model=priced.model, messages=messages, stream=True, extra_headers=headers
            )
            chunks = [chunk async for chunk in answers]
            assert all(chunk.usage is None for chunk in chunks), "usage was not asked for"
            text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
            finishes = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
            assert finishes == ["stop"]
        else:
            answer = await client.chat.completions.create(model=priced.model, messages=messages, extra_headers=headers)
            assert answer.usage is not None
            assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (INPUT_TOKENS, OUTPUT_TOKENS)
            text = answer.choices[0].message.content or ""
    assert len(text.split()) == OUTPUT_TOKENS
    assert_priced(await ledger.usage_of_run(run_id), priced, "standard")


@models
async def test_curl_gets_an_answer_whose_cost_is_in_the_ledger(stack: Stack, ledger: Ledger, priced: Priced) -> None:
    run_id = f"run-{uuid.uuid4()}"
    body = {"model": priced.model, "messages": [{"role": "user", "content": f"{PROMPT} {DIRECTIVE}"}]}
    curl = shutil.which("curl")
    assert curl, "install curl"
    done = await asyncio.to_thread(
        subprocess.run,
        [
            *(curl, "--silent", "--show-error", "--fail-with-body", "--include"),
            f"{stack.edge_url}/v1/chat/completions",
            *("-H", f"Authorization: Bearer {stack.run['standard_key']}"),
            *("-H", "Content-Type: application/json"),
            *("-H", f"X-Agent-Run-Id: {run_id}"),
            *("-d", json.dumps(body)),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stdout
    head, _, answer = done.stdout.partition("\n\n")
    assert "x-request-id: req_" in head.lower()
    assert json.loads(answer)["usage"]["total_tokens"] == INPUT_TOKENS + OUTPUT_TOKENS
    assert_priced(await ledger.usage_of_run(run_id), priced, "standard")


@models
async def test_langchain_tools_and_structured_output_work_on_every_dialect(
    langchain: Langchain, priced: Priced
) -> None:
    chat = langchain(priced.model, {})
    weather = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather of a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    called = await chat.bind_tools([weather], tool_choice="any").ainvoke("What is the weather?")
    assert [call["name"] for call in called.tool_calls] == ["get_weather"]
    assert isinstance(called.tool_calls[0]["args"]["city"], str)

    streamed = AIMessageChunk(content="")
    async for chunk in chat.bind_tools([weather], tool_choice="any").astream("What is the weather?"):
        streamed += chunk  # type: ignore[assignment]
    assert [call["name"] for call in streamed.tool_calls] == ["get_weather"]

    city = {
        "title": "City",
        "description": "A city",
        "type": "object",
        "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
        "required": ["name", "people"],
        "additionalProperties": False,
    }
    answer = await chat.with_structured_output(city).ainvoke("Name a city")
    assert isinstance(answer, dict)
    assert isinstance(answer["people"], int)


async def test_models_are_listed_for_both_kinds_of_key(stack: Stack) -> None:
    for path, key in (("/v1", "standard_key"), ("/v1/langchain", "langchain_key")):
        async with openai.AsyncOpenAI(base_url=f"{stack.edge_url}{path}", api_key=stack.run[key]) as client:
            names = {model.id async for model in client.models.list()}
        assert {"gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash"} <= names
