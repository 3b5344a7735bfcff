"""Providers that break off, babble, fall silent or flood (RELIABILITY: F10), met by clients of the whole stack.

The client is told, nothing looks finished that is not, there is one event, and the router's memory stays bounded.
"""

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import openai
import orjson
import pytest
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from gateway_shared.sse import KEEP_ALIVE
from tests.acceptance.beside import Process, children_of, edge_with_routers
from tests.acceptance.ledger import Ledger, Row
from tests.acceptance.stack import Stack, get_json

PROVIDERS = {
    "openai": "gpt-4o",
    "anthropic": "claude-sonnet-4-5",
    "google": "gemini-2.5-flash",
    "meta": "Llama-3.3-70B-Instruct",
}
MIB = 1024 * 1024
FLOOD_BYTES = 500 * 1000 * 1000
LARGEST_ANSWER_BYTES = 128 * MIB
"""What the router takes of one answer (its transport's MAX_ANSWER_BYTES)."""
HELD_BYTES = 256 * MIB
"""What it takes of all answers together (PROVIDER_ANSWERS_MAX_BYTES)."""
SLACK_BYTES = 64 * MIB
ROWS_WITHIN_S = 20.0
WORDS = 6

FAULTS = {
    "cut by reset": ("cut_after=3", {"upstream_cut"}),
    "cut by close": ("cut_after=3 cut=close", {"upstream_cut"}),
    "ended early": ("cut_after=3 cut=end", {"upstream_cut", "upstream_error"}),
    "malformed": ("malformed_after=3", {"upstream_error"}),
    "an error in a 200": ("error_after=3", {"upstream_error"}),
    "stalled": ("stall_after=3", {"timeout"}),
    "never answered": ("hang", {"timeout"}),
    "dropped": ("drop", {"upstream_cut"}),
    "compressed": ("gzip", {"upstream_cut", "upstream_error"}),
}
"""Directive, and the finish states that the ledger may give."""


@dataclass(frozen=True)
class Answer:
    """What one client saw of a call of its own."""

    fault: str
    provider: str
    stream: bool
    marker: str
    status: int
    body: bytes

    @property
    def name(self) -> str:
        return f"{self.fault}, {self.provider}, {'stream' if self.stream else 'plain'}"

    @property
    def error(self) -> object:
        """The error that it was told, as a document or as the last event of its stream."""
        text = self.body.removesuffix(b"\n\n").rpartition(b"data: ")[2] if self.status == 200 else self.body
        return orjson.loads(text).get("error")


@dataclass(frozen=True)
class Gateway:
    """An edge and a router of their own, whose patience with providers is short."""

    stack: Stack
    edge: Process
    router: Process

    async def ask(self, fault: str, directive: str, provider: str, *, stream: bool) -> Answer:
        marker = uuid.uuid4().hex
        content = f"one two [[sim words={WORDS} id={marker} {directive}]]"
        body = {"model": PROVIDERS[provider], "stream": stream, "messages": [{"role": "user", "content": content}]}
        headers = {
            "Authorization": f"Bearer {self.stack.run['standard_key']}",
            "Content-Type": "application/json",
            "X-Agent-Run-Id": marker,
        }
        url = f"http://127.0.0.1:{self.edge.port}/v1/chat/completions"
        async with aiohttp.request("POST", url, data=orjson.dumps(body), headers=headers) as response:
            return Answer(fault, provider, stream, marker, response.status, await response.read())

    def forget_peak(self) -> None:
        for pid in children_of(self.router.pid):
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # proc(5): VmHWM starts anew

    def peak_bytes(self) -> int:
        """The most memory that a worker of the router held at once since `forget_peak`."""
        return max(_peak_bytes(pid) for pid in children_of(self.router.pid))


@pytest.fixture(scope="module", params=["http1", pytest.param("aiohttp", marks=pytest.mark.long)])
def gateway(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Gateway]:
    settings = {
        "REQUESTS_PER_MINUTE": "600000",
        "CONCURRENT_REQUESTS": "500",
        "PROVIDER_CLIENT": request.param,
        "PROVIDER_FIRST_BYTE_TIMEOUT_S": "1",
        "PROVIDER_SILENCE_TIMEOUT_S": "1",
        "PROVIDER_CALL_TIMEOUT_S": "4",
        "KEEPALIVE_S": "0.3",
        "PROVIDER_MAX_ATTEMPTS": "1",
        "PROVIDER_BREAKER_FAILURES": "1000000",
    }
    with edge_with_routers(stack, 1, **settings) as (edge, (router,)):
        yield Gateway(stack, edge, router)


@pytest.fixture(autouse=True)
async def counted_before(ledger: Ledger) -> None:
    print(f"{await ledger.event_count()} events before")


async def test_a_broken_answer_is_an_error_to_the_client_and_one_event(
    stack: Stack, ledger: Ledger, gateway: Gateway
) -> None:
    async with asyncio.TaskGroup() as group:
        calls = [
            group.create_task(gateway.ask(fault, directive, provider, stream=stream))
            for fault, (directive, _) in FAULTS.items()
            for provider in PROVIDERS
            for stream in (False, True)
            if stream or fault != "ended early"  # a plain answer has its length
        ]
    answers = [call.result() for call in calls]
    rows = await one_row_each(ledger, stack, answers)
    for answer in answers:
        assert answer.error, answer.name
        assert b"[DONE]" not in answer.body, answer.name
        assert answer.status == 200 or answer.status >= 500, answer.name
        assert answer.stream or answer.status != 200, answer.name
        row = rows[answer.marker]
        assert row["status"] in ("partial", "failed"), answer.name
        assert row["finish_state"] in FAULTS[answer.fault][1], (answer.name, row["finish_state"])
        assert row["usage_source"] in ("estimated", "unknown"), answer.name


async def test_an_answer_without_usage_is_whole_and_its_event_says_estimated(
    stack: Stack, ledger: Ledger, gateway: Gateway
) -> None:
    answers = [
        await gateway.ask("no usage", "no_usage", provider, stream=stream)
        for provider in PROVIDERS
        for stream in (False, True)
    ]
    rows = await one_row_each(ledger, stack, answers)
    for answer in answers:
        assert answer.status == 200, answer.name
        assert answer.body.endswith(b"data: [DONE]\n\n") == answer.stream, answer.name
        row = rows[answer.marker]
        assert (row["status"], row["usage_source"]) == ("settled", "estimated"), answer.name
        assert row["output_tokens"] >= WORDS, answer.name


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("fault", ["", "gzip "], ids=["500 MB", "gzip bomb"])
async def test_a_flood_is_refused_and_the_routers_memory_stays_bounded(
    stack: Stack, ledger: Ledger, gateway: Gateway, fault: str, stream: bool
) -> None:
    gateway.forget_peak()
    before = gateway.peak_bytes()
    answers = [
        await gateway.ask("flood", f"{fault}pad={FLOOD_BYTES}", provider, stream=stream)
        for provider in ("openai", "anthropic")
    ]
    grown = gateway.peak_bytes() - before
    print(f"peak memory of the router: {before // MIB} MiB before, {grown // MIB} MiB more while it was flooded")
    # a stream is refused at its longest event, what is compressed at its head
    bound = SLACK_BYTES + (0 if stream or fault else LARGEST_ANSWER_BYTES)
    assert grown < bound
    rows = await one_row_each(ledger, stack, answers)
    for answer in answers:
        # what is refused after a comment has begun the answer is an event of it
        assert answer.status == 502 or (stream and answer.body.startswith(KEEP_ALIVE)), answer.name
        assert answer.error
        assert rows[answer.marker]["status"] == "failed", answer.name


async def test_floods_at_once_are_bounded_together(stack: Stack, ledger: Ledger, gateway: Gateway) -> None:
    gateway.forget_peak()
    before = gateway.peak_bytes()
    async with asyncio.TaskGroup() as group:
        calls = [
            group.create_task(gateway.ask("flood", f"pad={FLOOD_BYTES}", "openai", stream=False)) for _ in range(6)
        ]
    answers = [call.result() for call in calls]
    grown = gateway.peak_bytes() - before
    print(f"peak memory of the router: {grown // MIB} MiB more while it was flooded {len(calls)} times at once")
    assert grown < HELD_BYTES + SLACK_BYTES
    rows = await one_row_each(ledger, stack, answers)
    for answer in answers:
        assert answer.status in (502, 503, 504), answer.name  # some may be out of time instead
        assert rows[answer.marker]["status"] in ("failed", "partial"), answer.name
    assert 503 in {answer.status for answer in answers}


async def test_clients_read_past_the_comments_of_a_provider_that_thinks(stack: Stack, gateway: Gateway) -> None:
    base_url, key = f"http://127.0.0.1:{gateway.edge.port}/v1", stack.run["langchain_key"]
    question = "one [[sim text='a b c' headers_ms=700]]"
    answer = await gateway.ask("thinks", "headers_ms=700", "openai", stream=True)
    assert answer.body.startswith(KEEP_ALIVE)
    client = openai.AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0)
    stream = await client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": question}], stream=True
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == "a b c"
    await client.close()
    model = ChatOpenAI(model="gpt-4o", base_url=f"{base_url}/langchain", api_key=SecretStr(key), max_retries=0)
    said = [chunk async for chunk in model.astream(question)]
    assert "".join(str(chunk.content) for chunk in said) == "a b c"
    assert [chunk.usage_metadata["output_tokens"] for chunk in said if chunk.usage_metadata] == [3]


async def one_row_each(ledger: Ledger, stack: Stack, answers: list[Answer]) -> dict[str, Row]:
    """The one event of each call, which the provider was asked once for."""
    markers = {answer.marker for answer in answers}
    log = await asyncio.to_thread(get_json, f"{stack.simulator_url}/simulator/requests")
    asked = [entry["marker"] for entry in log if entry["marker"] in markers]
    rows = await ledger.wait_for_rows(
        "SELECT * FROM billing.attempts WHERE agent_run_id = ANY($1)",
        sorted(markers),
        at_least=len(markers),
        within_s=ROWS_WITHIN_S,
    )
    print(f"{len(answers)} clients answered, {len(asked)} calls at the provider, {len(rows)} events in the ledger")
    assert sorted(asked) == sorted(markers)
    assert sorted(row["agent_run_id"] for row in rows) == sorted(markers)
    return {row["agent_run_id"]: row for row in rows}


def _peak_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024
