"""The simulator's documents have the members of what the providers were recorded to send, no more and no fewer."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.unit.simulator.running import Simulator, events_of

RECORDINGS = Path(__file__).parents[4] / "shared" / "recordings" / "dev.jsonl"

pytestmark = pytest.mark.skipif(not RECORDINGS.exists(), reason="the recordings are not here")

NOT_SIMULATED = {"obfuscation", "inference_geo", "stop_details", "serviceTier", "thoughtsTokenCount"}
"""Padding, and members that not every recording of the provider has."""


def recorded(name: str) -> str:
    for line in RECORDINGS.read_bytes().splitlines():
        exchange = orjson.loads(line)
        if exchange["id"] == name:
            return str(exchange["body"])
    raise LookupError(name)


def members(value: Any, path: str = "") -> set[str]:
    """The paths of all members; what stands in an array counts once."""
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key not in NOT_SIMULATED}
        return {f"{path}.{key}" for key in kept}.union(*(members(item, f"{path}.{key}") for key, item in kept.items()))
    if isinstance(value, list):
        return set().union(*(members(item, f"{path}[]") for item in value))
    return set()


def distinct_members(events: list[dict[str, Any]]) -> set[frozenset[str]]:
    return {frozenset(members(event)) for event in events}


@pytest.mark.parametrize("name", ["oa-stream-001", "oa-stream-004", "oa-stream-013"])
async def test_openai_streams(simulator: Simulator, name: str) -> None:
    """A text, a named tool's call, a refusal."""
    tool = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"title": {"type": "string"}}}}}
    choice = {"type": "function", "function": {"name": "f"}}
    asked: dict[str, dict[str, Any]] = {"oa-stream-004": {"tools": [tool], "tool_choice": choice}}
    text = "[[sim refusal]]" if name == "oa-stream-013" else "hi"
    response = await simulator.openai(text, stream=True, stream_options={"include_usage": True}, **asked.get(name, {}))
    assert distinct_members(events_of(await response.text())) == distinct_members(events_of(recorded(name)))


@pytest.mark.parametrize(("name", "directive"), [("oa-sync-040", "words=2"), ("oa-sync-001", "tool")])
async def test_openai_answers(simulator: Simulator, name: str, directive: str) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    response = await simulator.openai(f"[[sim {directive}]]", tools=[tool])
    assert members(await response.json()) == members(orjson.loads(recorded(name)))


@pytest.mark.parametrize(("name", "thinking"), [("an-stream-004", False), ("an-stream-001", True)])
async def test_anthropic_streams(simulator: Simulator, name: str, thinking: bool) -> None:
    asked = {"thinking": {"type": "enabled", "budget_tokens": 1024}} if thinking else {}
    response = await simulator.anthropic("hi", stream=True, **asked)
    assert distinct_members(events_of(await response.text())) == distinct_members(events_of(recorded(name)))


@pytest.mark.parametrize(("name", "directive"), [("an-sync-025", "tool"), ("an-err-007", "status=404")])
async def test_anthropic_answers(simulator: Simulator, name: str, directive: str) -> None:
    tool = {"name": "f", "input_schema": {"type": "object", "properties": {key: {"type": "string"} for key in BOOK}}}
    response = await simulator.anthropic(f"[[sim {directive}]]", tools=[tool])
    assert members(await response.json()) == members(orjson.loads(recorded(name)))


BOOK = ("title", "author", "pages", "publication_year")


@pytest.mark.parametrize("name", ["ge-stream-010", "ge-stream-004"])
async def test_google_streams(simulator: Simulator, name: str) -> None:
    response = await simulator.google("hi", stream=True)
    assert distinct_members(events_of(await response.text())) == distinct_members(events_of(recorded(name)))


async def test_google_answers(simulator: Simulator) -> None:
    response = await simulator.google("hi")
    assert members(await response.json()) == members(orjson.loads(recorded("ge-sync-001")))
