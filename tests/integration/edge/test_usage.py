"""`GET /v1/usage` out of a real ledger: a tenant's own figures, all of them, and nobody else's."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import openai
import pytest

from gateway_edge import usage_store
from gateway_shared.usage_event import TokenCounts
from tests.integration.edge.ledger_rows import migrate_ledger, record
from tests.integration.edge.running_edge import Client, as_operator, make_key, running_stack
from tests.servers import Postgres

DAY = datetime(2026, 11, 20, tzinfo=UTC)
START_S = int(DAY.timestamp())
WHOLE_DAY = f"/v1/usage?start_time={START_S}&end_time={START_S + 86_400}"
TOKENS = TokenCounts(
    input_tokens=100, cached_input_tokens=40, cache_write_5m_tokens=5, cache_write_1h_tokens=6, input_audio_tokens=7,
    output_tokens=30, reasoning_tokens=8, output_audio_tokens=9,
)  # fmt: skip


def at(**after: float) -> dict[str, Any]:
    moment = DAY + timedelta(**after)
    return {"started_at": moment.isoformat(), "unix_ms": int(moment.timestamp() * 1000)}


@pytest.fixture(scope="module")
def ledger(edge_database: Postgres) -> Postgres:
    """Two tenants. acme: three requests on one day, the second in two attempts; globex: one, of the same names."""

    async def fill() -> None:
        await migrate_ledger(edge_database)
        acme: dict[str, Any] = {"tenant_id": "acme", "tokens": TOKENS}
        await record(edge_database, **at(hours=1), charges=(500, 700), agent_run_id="run-1", **acme)
        second: dict[str, Any] = {"request_id": "req_2", "channel": "langchain", "agent_run_id": "run-2", **acme}
        await record(edge_database, **at(hours=1, minutes=30), charges=(0,), is_final=False, **second)
        await record(edge_database, **at(hours=1, minutes=31), charges=(20,), attempt=2, provider="backup", **second)
        await record(edge_database, **at(hours=23, minutes=59), user_id="bob", key_id="key-2", **acme)
        await record(edge_database, **at(days=1), charges=(9,), **acme)
        await record(edge_database, **at(hours=2), charges=(1,), tenant_id="globex", agent_run_id="run-1")

    asyncio.run(fill())
    return edge_database


@pytest.fixture
async def client(ledger: Postgres) -> AsyncIterator[Client]:
    async with running_stack(ledger) as (client, _):
        yield client


@pytest.fixture
async def acme(ledger: Postgres) -> str:
    return (await make_key(ledger, "gw", tenant="acme"))[0]


async def ask(client: Client, key: str, path: str) -> tuple[int, Any]:
    async with client.get(path, key) as answer:
        return answer.status, await answer.json()


async def results_of(client: Client, key: str, path: str) -> list[dict[str, Any]]:
    status, page = await ask(client, key, path)
    assert status == 200, page
    return [result for bucket in page["data"] for result in bucket["results"]]


async def test_a_day_of_a_tenant_adds_up(client: Client, acme: str) -> None:
    status, page = await ask(client, acme, WHOLE_DAY)
    assert (status, page["has_more"], page["next_page"]) == (200, False, None)
    (bucket,) = page["data"]
    assert (bucket["start_time"], bucket["end_time"]) == (START_S, START_S + 86_400)
    (result,) = bucket["results"]
    assert (result["num_model_requests"], result["num_attempts"]) == (3, 4)
    assert result["input_tokens"] == 400
    assert result["input_cached_tokens"] == 160
    assert result["input_cache_write_tokens"] == 44
    assert result["input_cache_write_1h_tokens"] == 24
    assert result["input_audio_tokens"] == 28
    assert result["output_tokens"] == 120
    assert result["output_reasoning_tokens"] == 32
    assert result["output_audio_tokens"] == 36
    # the newest charge of each attempt that has one; never what the provider asks of us
    assert (result["charge_nano_usd"], result["num_uncharged_attempts"]) == ("720", 1)
    assert [result[name] for name in ("user_id", "api_key_id", "model", "channel", "provider")] == [None] * 5
    assert "cost" not in str(page)


@pytest.mark.parametrize("kind", ["gw", "langchain", "admin"])
async def test_every_key_sees_its_own_tenant_and_no_other(client: Client, ledger: Postgres, kind: str) -> None:
    for tenant, requests in (("acme", 3), ("globex", 1), ("newcomer", 0)):
        key, _ = await make_key(ledger, kind, tenant=tenant)
        results = await results_of(client, key, WHOLE_DAY)
        assert sum(result["num_model_requests"] for result in results) == requests
        same_run = await results_of(client, key, f"{WHOLE_DAY}&agent_run_ids=run-1")
        assert sum(result["num_model_requests"] for result in same_run) == min(requests, 1)


ATTACKS = [
    "' OR '1'='1",
    "acme') OR true --",
    "{acme,globex}",
    "%",
    "NULL",
    "$1",
    "\\",
    '"',
    "\uff41\uff43\uff4d\uff45",
]


@pytest.mark.parametrize("name", ["models", "user_ids", "api_key_ids", "channels", "providers", "agent_run_ids"])
async def test_a_filter_is_a_value_and_never_sql(client: Client, acme: str, name: str) -> None:
    for attack in ATTACKS:
        assert await results_of(client, acme, f"{WHOLE_DAY}&{name}={quote(attack)}") == []


@pytest.mark.parametrize(
    "query", ["tenant=globex", "tenant_id=globex", "group_by=tenant_id", "group_by[]=cost", "models=%00", "page=x"]
)
async def test_what_would_widen_it_is_a_400(client: Client, acme: str, query: str) -> None:
    status, body = await ask(client, acme, f"{WHOLE_DAY}&{query}")
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")
    assert body["error"]["param"] == query.partition("=")[0].removesuffix("[]")


async def test_groups_and_filters(client: Client, acme: str) -> None:
    by_provider = await results_of(client, acme, f"{WHOLE_DAY}&group_by[]=provider&group_by=channel")
    assert [(one["provider"], one["channel"], one["num_attempts"]) for one in by_provider] == [
        ("backup", "langchain", 1),
        ("openai", "langchain", 1),
        ("openai", "standard", 2),
    ]
    assert [one["num_model_requests"] for one in by_provider] == [1, 0, 2]
    (of_bob,) = await results_of(client, acme, f"{WHOLE_DAY}&user_ids=bob&group_by=user_id&group_by=api_key_id")
    assert (of_bob["user_id"], of_bob["api_key_id"], of_bob["num_model_requests"]) == ("bob", "key-2", 1)
    assert (of_bob["charge_nano_usd"], of_bob["num_uncharged_attempts"]) == (None, 1)
    runs = await results_of(
        client, acme, f"{WHOLE_DAY}&agent_run_ids[]=run-1&agent_run_ids[]=run-2&group_by=agent_run_id"
    )
    assert [(one["agent_run_id"], one["num_attempts"]) for one in runs] == [("run-1", 1), ("run-2", 2)]


async def test_pages_of_hours_hold_each_request_once(client: Client, acme: str) -> None:
    path = f"/v1/usage?start_time={START_S + 1}&end_time={START_S + 86_401}&bucket_width=1h&limit=10"
    cursor, starts, requests = "", [], 0
    while True:
        status, page = await ask(client, acme, path + cursor)
        assert status == 200
        starts += [bucket["start_time"] for bucket in page["data"]]
        requests += sum(result["num_model_requests"] for bucket in page["data"] for result in bucket["results"])
        if not page["has_more"]:
            break
        cursor = f"&page={page['next_page']}"
    # from a second after midnight to a second after the next: 24 buckets, and one of a second
    assert starts == [START_S + 1, *range(START_S + 3_600, START_S + 86_401, 3_600)]
    assert requests == 4


async def test_openais_sdk_reads_it(client: Client, ledger: Postgres) -> None:
    key, _ = await make_key(ledger, "admin", tenant="acme")
    async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{client.port}/v1", admin_api_key=key) as sdk:
        page = await sdk.admin.organization.usage.completions(
            start_time=START_S, end_time=START_S + 86_400, group_by=["model"], models=["gpt-4o"], bucket_width="1d"
        )
    (result,) = page.data[0].results
    assert result.object == "organization.usage.completions.result"
    assert (result.model, result.num_model_requests, result.input_tokens) == ("gpt-4o", 3, 400)


async def test_it_counts_against_the_keys_limits(client: Client, ledger: Postgres) -> None:
    key, _ = await make_key(ledger, "admin", tenant="usage-limited")
    async with as_operator(ledger) as connection:
        await connection.execute("UPDATE edge.plan SET requests_per_minute = 2 WHERE tenant_id = 'usage-limited'")
    statuses = [(await ask(client, key, WHOLE_DAY))[0] for _ in range(3)]
    assert statuses == [200, 200, 429]


async def test_without_a_key_it_is_401(client: Client) -> None:
    async with client.get(WHOLE_DAY) as answer:
        assert answer.status == 401


async def test_a_slow_ledger_is_503_and_keys_are_looked_up_all_the_same(
    client: Client, acme: str, ledger: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_store, "STATEMENT_TIMEOUT_S", 0.3)
    async with as_operator(ledger) as connection, connection.transaction():
        await connection.execute("LOCK TABLE billing.event IN ACCESS EXCLUSIVE MODE")
        slow = [asyncio.create_task(ask(client, acme, WHOLE_DAY)) for _ in range(5)]
        new, _ = await make_key(ledger, "gw", tenant="elsewhere")
        async with asyncio.timeout(5):
            async with client.get("/v1/models", new) as answer:
                assert answer.status == 200
            answers = await asyncio.gather(*slow)
    assert [status for status, _ in answers] == [503] * 5
    assert {body["error"]["code"] for _, body in answers} == {"database_unavailable"}
    assert "Ask for fewer buckets" in answers[0][1]["error"]["message"]
    assert (await ask(client, acme, WHOLE_DAY))[0] == 200


async def test_a_tenant_whose_figures_are_slow_does_not_hold_up_another(
    client: Client, acme: str, ledger: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_store, "STATEMENT_TIMEOUT_S", 3.0)
    this_month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    last_month = (this_month - timedelta(days=1)).replace(day=1)
    globex, _ = await make_key(ledger, "gw", tenant="globex")

    def day_of(month: datetime) -> str:
        start_s = int(month.timestamp()) + 86_400
        return f"/v1/usage?start_time={start_s}&end_time={start_s + 3_600}"

    async with as_operator(ledger) as connection, connection.transaction():
        await connection.execute(f"LOCK TABLE billing.event_{last_month:%Y_%m} IN ACCESS EXCLUSIVE MODE")
        slow = [asyncio.create_task(ask(client, acme, day_of(last_month))) for _ in range(3)]
        async with asyncio.timeout(2):
            while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                continue
            assert (await ask(client, globex, day_of(this_month)))[0] == 200
        assert not any(task.done() for task in slow)
    assert [status for status, _ in await asyncio.gather(*slow)] == [200] * 3


async def test_a_connection_that_hangs_is_503_in_time_and_given_up(
    client: Client, acme: str, ledger: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_store, "ANSWER_TIMEOUT_S", 0.5)
    assert (await ask(client, acme, WHOLE_DAY))[0] == 200
    async with as_operator(ledger) as connection:
        pid: int = await connection.fetchval(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'gateway-edge-usage' ORDER BY backend_start DESC"
        )
    os.kill(pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(5):
            assert (await ask(client, acme, WHOLE_DAY))[0] == 503
            assert (await ask(client, acme, WHOLE_DAY))[0] == 200
    finally:
        os.kill(pid, signal.SIGCONT)
