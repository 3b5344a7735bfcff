"""The public API from a client's side: answers, headers, what the router is told, what is counted."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from gateway_shared.hop_server import HopAnswer, HopCall
from tests.integration.edge.conftest import Keys
from tests.integration.edge.running_edge import (
    CHAT,
    GOOD,
    LANGCHAIN_CHAT,
    Client,
    as_operator,
    make_key,
    running_stack,
    tenants,
    total,
)
from tests.integration.edge.stand_in_router import COMPLETION, StandInRouter
from tests.servers import Postgres

EVENTS = [b'data: {"n":1}\n\n', b'data: {"n":2}\n\n', b"data: [DONE]\n\n"]
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def stream(call: HopCall, answer: HopAnswer) -> None:
    await answer.start(200, {"Content-Type": "text/event-stream", "X-Gateway-Model": "m", "Server": "secret"})
    for event in EVENTS:
        await answer.write(event)


@pytest.fixture
async def stack(edge_database: Postgres) -> AsyncIterator[tuple[Client, StandInRouter]]:
    async with running_stack(edge_database) as both:
        yield both


Stack = tuple[Client, StandInRouter]


async def test_a_call_reaches_the_router_and_its_answer_the_client(stack: Stack, api_keys: Keys) -> None:
    client, router = stack
    async with client.post(api_keys.gw) as answer:
        assert (answer.status, await answer.read()) == (200, COMPLETION)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-gateway-provider"] == "openai"
    assert answer.headers["x-ratelimit-limit-requests"] == "600"
    assert answer.headers["x-ratelimit-remaining-requests"] == "599"
    assert answer.headers["x-ratelimit-reset-requests"] == "100ms"
    assert answer.headers["x-request-id"] == router.heads[0].request_id
    (head,) = router.heads
    assert (head.model, head.stream, head.relay_usage, head.endpoint) == ("gpt-4o", False, False, "chat.completions")
    assert (head.caller.tenant_id, head.caller.user_id, head.caller.plan_id) == ("default", "alice", "standard")
    assert orjson.loads(router.calls[0].body) == {"messages": GOOD["messages"]}


async def test_a_stream_is_relayed_as_it_comes(stack: Stack, api_keys: Keys) -> None:
    client, router = stack
    router.answer = stream
    async with client.post(api_keys.gw, {**GOOD, "stream": True}) as answer:
        assert await answer.read() == b"".join(EVENTS)
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["x-gateway-model"] == "m"
    assert "secret" not in answer.headers.get("server", "")
    assert answer.headers["x-request-id"] == router.heads[0].request_id


@pytest.mark.parametrize(
    ("kind", "path", "options", "channel", "relay_usage"),
    [
        ("gw", CHAT, None, "standard", False),
        ("gw", CHAT, {"include_usage": True}, "standard", True),
        ("langchain", CHAT, None, "langchain", False),
        ("langchain", LANGCHAIN_CHAT, None, "langchain", True),
    ],
)
async def test_usage_is_relayed_to_who_asked_and_on_the_langchain_path(
    stack: Stack,
    api_keys: Keys,
    kind: str,
    path: str,
    options: dict[str, Any] | None,
    channel: str,
    relay_usage: bool,
) -> None:
    client, router = stack
    body = {**GOOD, "stream": True, "stream_options": options}
    async with client.post(getattr(api_keys, kind), body, path) as answer:
        assert answer.status == 200
    (head,) = router.heads
    assert (head.caller.channel, head.relay_usage, head.stream_options) == (channel, relay_usage, options)


async def test_the_router_learns_agent_trace_and_retry(stack: Stack, api_keys: Keys) -> None:
    client, router = stack
    body = {**GOOD, "metadata": {"agent_id": "from-body", "agent_run_id": "run-9"}}
    said = {"x_agent_id": "planner\u00e9", "traceparent": TRACEPARENT, "x_stainless_retry_count": "1"}
    async with client.post(api_keys.gw, body, CHAT, **said) as answer:
        assert answer.status == 200
    (head,) = router.heads
    assert (head.agent_id, head.agent_run_id, head.agent_parent_run_id) == ("planner\u00e9", "run-9", None)
    assert (head.traceparent, head.retry_count) == (TRACEPARENT, 1)


async def test_an_end_user_is_a_pseudonym_and_named_beside_it_once_the_tenant_opts_in(
    stack: Stack, edge_database: Postgres
) -> None:
    client, router = stack
    key, _ = await make_key(edge_database, "gw", tenant="plain")
    async with client.post(key, {**GOOD, "user": "bob@example.com"}):
        pass
    await tenants(edge_database, "end-user-ids", "--tenant", "plain", "plain")
    for _ in range(100):
        async with client.post(key, {**GOOD, "user": "bob@example.com"}):
            pass
        if router.heads[-1].end_user_name:
            break
    first, last = router.heads[0], router.heads[-1]
    assert (first.end_user_name, last.end_user_name) == (None, "bob@example.com")
    assert str(first.end_user).startswith("eu_")
    assert first.end_user == last.end_user
    assert [str(first.end_user)] == await tenants(
        edge_database, "pseudonym", "--tenant", "plain", "--end-user", "bob@example.com"
    )


async def test_a_key_may_come_as_x_api_key(stack: Stack, api_keys: Keys) -> None:
    client, _ = stack
    async with client.post(None, x_api_key=api_keys.gw) as answer:
        assert answer.status == 200


async def test_models_are_listed_and_found_by_id(stack: Stack, api_keys: Keys) -> None:
    client, _ = stack
    for base, key in (("/v1/models", api_keys.gw), ("/v1/langchain/models", api_keys.langchain)):
        async with client.get(base, key) as answer:
            assert [model["id"] for model in (await answer.json())["data"]] == ["gpt-4o", "meta/llama-3"]
        for path in ("meta/llama-3", "meta%2Fllama-3"):
            async with client.get(f"{base}/{path}", key) as answer:
                assert (await answer.json())["id"] == "meta/llama-3"
        async with client.get(f"{base}/nothing", key) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (404, "model_not_found")
    async with client.get("/v1/langchain/models", api_keys.gw) as answer:
        assert answer.status == 403


async def test_the_routers_own_error_is_relayed_as_it_is(stack: Stack, api_keys: Keys) -> None:
    client, router = stack
    body = b'{"error":{"message":"slow down","type":"rate_limit_error","param":null,"code":"x"}}'

    async def refuse(call: HopCall, answer: HopAnswer) -> None:
        headers = {"Content-Type": "application/json", "Retry-After": "7", "X-Should-Retry": "false", "X-Other": "1"}
        await answer.send(429, headers, body)

    router.answer = refuse
    async with client.post(api_keys.gw) as answer:
        assert (answer.status, await answer.read()) == (429, body)
    assert (answer.headers["retry-after"], answer.headers["x-should-retry"]) == ("7", "false")
    assert "x-other" not in answer.headers


async def test_three_langchain_calls_two_standard_and_one_refused_are_counted_as_such(
    stack: Stack, api_keys: Keys
) -> None:
    client, router = stack
    router.answer = stream
    names = ("langchain_requests_total", "langchain_request_duration_seconds_count", "auth_operations_total")
    before = [total(name) for name in names]
    for key, path, status in [
        *[(api_keys.langchain, LANGCHAIN_CHAT, 200)] * 3,
        *[(api_keys.gw, CHAT, 200)] * 2,
        ("gw-" + "a" * 49, CHAT, 401),
    ]:
        async with client.post(key, path=path) as answer:
            await answer.read()
            assert answer.status == status
    assert [total(name) - earlier for name, earlier in zip(names, before, strict=True)] == [3, 3, 6]


async def test_metrics_are_for_an_admin_key_or_for_all_by_setting(
    stack: Stack, edge_database: Postgres, api_keys: Keys
) -> None:
    client, _ = stack
    for key, status in ((None, 401), (api_keys.gw, 403), (api_keys.admin, 200)):
        async with client.get("/metrics", key) as answer:
            assert answer.status == status
    assert "langchain_requests_total" in await _text(client, api_keys.admin)
    async with running_stack(edge_database, public_metrics=True) as (open_client, _):
        assert "auth_operations_total{" in await _text(open_client, None)


async def _text(client: Client, key: str | None) -> str:
    async with client.get("/metrics", key) as answer:
        return str(await answer.text())


async def test_health_tells_the_state_of_router_and_database_to_anyone(stack: Stack) -> None:
    client, _ = stack
    async with client.get("/health") as answer:
        assert answer.status == 200
        assert await answer.json() == {"status": "ok", "checks": {"router": "ok", "database": "ok"}}


async def test_the_rate_limit_of_a_plan_is_enforced_and_changes_at_once(stack: Stack, edge_database: Postgres) -> None:
    client, _ = stack
    key, _ = await make_key(edge_database, "gw", tenant="limited")
    async with as_operator(edge_database) as connection:
        await connection.execute("UPDATE edge.plan SET requests_per_minute = 2 WHERE tenant_id = 'limited'")
    for _ in range(2):
        async with client.post(key) as answer:
            assert answer.status == 200
    async with client.post(key) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (429, "rate_limit_exceeded")
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"
    assert 1 <= int(answer.headers["retry-after"]) <= 30
