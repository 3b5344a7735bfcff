"""Calls with several attempts, and providers changed in flight (RELIABILITY: F15), from the client to the ledger."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest

from tests.acceptance.ledger import ROW_TIMEOUT_S, Ledger, Row
from tests.acceptance.stack import Stack, get_json

ATTEMPTS = "SELECT * FROM billing.attempts WHERE agent_run_id = $1 ORDER BY attempt"


@asynccontextmanager
async def asking(
    stack: Stack, model: str, directive: str, marker: str, *, stream: bool = False
) -> AsyncIterator[aiohttp.ClientResponse]:
    content = f"one two [[sim id={marker} {directive}]]"
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": content}]}
    headers = {
        "Authorization": f"Bearer {stack.run['standard_key']}",
        "Content-Type": "application/json",
        "X-Agent-Run-Id": marker,
    }
    url = f"{stack.edge_url}/v1/chat/completions"
    async with aiohttp.request("POST", url, data=orjson.dumps(body), headers=headers) as response:
        yield response


async def ask(stack: Stack, model: str, directive: str, marker: str) -> aiohttp.ClientResponse:
    async with asking(stack, model, directive, marker) as response:
        await response.read()
        return response


async def models_asked(stack: Stack, marker: str) -> list[str]:
    """Of the requests with that marker which the simulator received, in order."""
    log = await asyncio.to_thread(get_json, f"{stack.simulator_url}/simulator/requests?marker={marker}")
    return [entry["model"] for entry in log]


async def rows_of(ledger: Ledger, marker: str, count: int) -> list[Row]:
    rows = await ledger.wait_for_rows(ATTEMPTS, marker, at_least=count, within_s=ROW_TIMEOUT_S)
    assert len(rows) == count
    return rows


def provider(stack: Stack, name: str, alias: str, upstream_model: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "openai",
        "base_url": f"{stack.simulator_url}/openai/v1",
        "api_key": f"sk-{name}-0123456789",
        "models": ["none"],
        "aliases": {alias: upstream_model},
        **more,
    }


@asynccontextmanager
async def registered(stack: Stack, admin: aiohttp.ClientSession, *providers: dict[str, Any]) -> AsyncIterator[None]:
    url = f"{stack.edge_url}/v1/providers"
    for one in providers:
        async with admin.post(url, json=one) as answer:
            assert answer.status == 201, await answer.text()
    try:
        yield
    finally:
        for one in providers:
            async with admin.delete(f"{url}/{one['name']}") as answer:
                assert answer.status == 200


async def test_each_attempt_is_a_row_and_the_request_is_one(stack: Stack, ledger: Ledger) -> None:
    marker = uuid.uuid4().hex
    response = await ask(stack, "gpt-4o", "status=500", marker)
    assert (response.status, response.headers["x-gateway-attempts"]) == (500, "3")
    rows = await rows_of(ledger, marker, 3)
    assert await models_asked(stack, marker) == ["gpt-4o"] * 3
    assert [(row["attempt"], row["is_final"], row["status"]) for row in rows] == [
        (1, False, "failed"),
        (2, False, "failed"),
        (3, True, "failed"),
    ]
    assert {row["request_id"] for row in rows} == {response.headers["x-request-id"]}
    usage = await ledger.usage_of_run(marker)
    assert (usage["attempts"], usage["http_status"], usage["cost_nano_usd"]) == (3, 500, 0)
    [by_run] = await ledger.query("SELECT * FROM billing.usage_by_agent_run WHERE agent_run_id = $1", marker)
    assert (by_run["requests"], by_run["attempts"]) == (1, 3)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_another_provider_takes_over_and_is_the_one_that_is_paid(
    stream: bool, stack: Stack, ledger: Ledger, admin: aiohttp.ClientSession
) -> None:
    marker = uuid.uuid4().hex
    first = provider(stack, f"first-{marker}", marker, f"failing-{marker}")
    second = provider(stack, f"second-{marker}", marker, "gpt-4o", priority=1)
    rules = {"directive": "status=503 retry_after=30", "model": f"failing-{marker}"}
    async with (
        registered(stack, admin, first, second),
        admin.put(f"{stack.simulator_url}/simulator/script", json=rules),
    ):
        async with asking(stack, marker, "words=5", marker, stream=stream) as response:
            body = await response.read()
        assert response.status == 200
        assert (b"[DONE]" in body) == stream
        headers = response.headers
        assert (headers["x-gateway-provider"], headers["x-gateway-attempts"]) == (second["name"], "2")
        assert headers["x-gateway-model"].startswith("gpt-4o")
        assert await models_asked(stack, marker) == [f"failing-{marker}", "gpt-4o"]
    rows = await rows_of(ledger, marker, 2)
    assert [(row["provider"], row["is_final"], row["status"], row["http_status"]) for row in rows] == [
        (first["name"], False, "failed", 503),
        (second["name"], True, "settled", 200),
    ]
    usage = await ledger.usage_of_run(marker)
    assert (usage["provider"], usage["status"], usage["attempts"]) == (second["name"], "settled", 2)
    assert usage["cost_nano_usd"] == rows[1]["cost_nano_usd"] > 0


async def test_a_call_in_flight_keeps_the_provider_that_it_began_with(
    stack: Stack, ledger: Ledger, admin: aiohttp.ClientSession
) -> None:
    marker, later = uuid.uuid4().hex, uuid.uuid4().hex
    name = f"changed-{marker}"
    before = provider(stack, name, marker, "gpt-4o")
    after = provider(stack, name, marker, "gpt-4o-mini")
    after |= {"base_url": f"{stack.simulator_url}/meta/v1", "api_key": "sk-another-0123456789"}
    del after["name"]
    async with registered(stack, admin, before):
        async with asking(stack, marker, "words=6 hold_after=3", marker, stream=True) as response:
            assert response.status == 200
            await response.content.readany()
            async with admin.put(f"{stack.edge_url}/v1/providers/{name}", json=after) as answer:
                assert answer.status == 200, await answer.text()
            assert (await ask(stack, marker, "words=3", later)).status == 200
            async with admin.post(f"{stack.simulator_url}/simulator/release?marker={marker}") as answer:
                assert answer.status == 200
            assert b"[DONE]" in await response.read()
        assert await models_asked(stack, marker) == ["gpt-4o"]
        assert await models_asked(stack, later) == ["gpt-4o-mini"]
    [row], [row_after] = await rows_of(ledger, marker, 1), await rows_of(ledger, later, 1)
    assert (row["status"], row["model_upstream"], row["provider"]) == ("settled", "gpt-4o", name)
    assert (row_after["status"], row_after["model_upstream"], row_after["provider"]) == ("settled", "gpt-4o-mini", name)
