"""Providers that are registered with prices of their own: each call costs by those that were in force when it began."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.acceptance.ledger import Ledger, Row
from tests.acceptance.stack import Stack

PROMPT = "[[sim words=20]] Count the seven words of this line"
"""9 tokens in and 20 out, as in test_first_light."""
PRICES = {"gpt-4o": {"input": "0.5", "output": 2}}
DEARER = {"gpt-4o": {"input": "0.55", "output": "2.125"}}


@pytest.fixture
async def providers(stack: Stack, admin: aiohttp.ClientSession) -> AsyncIterator[tuple[str, str]]:
    """The names of two servers of one kind; only the first one has prices."""
    names = (f"own-{uuid.uuid4().hex[:8]}", f"other-{uuid.uuid4().hex[:8]}")
    for name in names:
        body = definition(stack, name) | ({"prices": PRICES} if name == names[0] else {})
        async with admin.post(f"{stack.edge_url}/v1/providers", json=body) as answer:
            assert answer.status == 201, await answer.text()
    yield names
    for name in names:
        async with admin.delete(f"{stack.edge_url}/v1/providers/{name}") as answer:
            assert answer.status == 200


def definition(stack: Stack, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "openai-compatible",
        "base_url": f"{stack.simulator_url}/openai/v1",
        "api_key": "sk-0123456789abcdef",
    }


async def call(stack: Stack, ledger: Ledger, provider: str) -> Row:
    """One small call, and its row."""
    run_id = uuid.uuid4().hex
    headers = {"Authorization": f"Bearer {stack.run['standard_key']}", "X-Agent-Run-Id": run_id}
    body = {"model": f"{provider}/gpt-4o", "messages": [{"role": "user", "content": PROMPT}]}
    async with aiohttp.request("POST", f"{stack.edge_url}/v1/chat/completions", json=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
    row = await ledger.usage_of_run(run_id)
    assert (row["input_tokens"], row["output_tokens"]) == (9, 20)
    return row


async def prices_in_the_list(stack: Stack, model: str) -> dict[str, str] | None:
    headers = {"Authorization": f"Bearer {stack.run['standard_key']}"}
    async with aiohttp.request("GET", f"{stack.edge_url}/v1/models/{model}", headers=headers) as answer:
        prices: dict[str, str] | None = (await answer.json())["prices"]
    return prices


async def test_each_call_costs_by_its_providers_prices_when_it_began(
    stack: Stack, ledger: Ledger, admin: aiohttp.ClientSession, providers: tuple[str, str]
) -> None:
    own, other = providers
    first = await call(stack, ledger, own)
    # 9 in x 0.50 USD/M = 4,500 nano-USD; 20 out x 2 USD/M = 40,000 nano-USD
    assert (first["cost_nano_usd"], first["price_provider"]) == (4_500 + 40_000, f"openai_compatible@{own}")
    listed = await prices_in_the_list(stack, f"{own}/gpt-4o")
    assert listed is not None
    assert (listed["input"], listed["output"]) == ("0.5", "2")

    body = definition(stack, own) | {"prices": DEARER}
    async with admin.put(f"{stack.edge_url}/v1/providers/{own}", json=body) as answer:
        assert (answer.status, (await answer.json())["prices"]) == (200, DEARER)
    second = await call(stack, ledger, own)
    # 9 in x 0.55 USD/M = 4,950; 20 out x 2.125 USD/M = 42,500
    assert second["cost_nano_usd"] == 4_950 + 42_500
    again = await ledger.query("SELECT cost_nano_usd FROM billing.usage WHERE request_id = $1", first["request_id"])
    assert [row["cost_nano_usd"] for row in again] == [4_500 + 40_000]

    # a server of the same kind, for the same model, has nothing of it: no price is no cost, not 0
    unpriced = await call(stack, ledger, other)
    assert (unpriced["cost_nano_usd"], unpriced["price_provider"]) == (None, "openai_compatible")
    assert await prices_in_the_list(stack, f"{other}/gpt-4o") is None
