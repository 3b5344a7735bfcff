"""Keys in a real database: made, used, revoked, expired, and a database that goes away."""

import asyncio
import time

import asyncpg
import pytest

from gateway_edge import grant_store
from gateway_shared import postgres
from tests.integration.edge.conftest import Keys
from tests.integration.edge.running_edge import (
    Client,
    as_operator,
    edge_settings,
    keys,
    make_key,
    running_edge,
    running_stack,
    total,
)
from tests.servers import Postgres

REVOKED_WITHIN_S = 3 * 2.0
"""Three times the stated bound."""


async def status_of(client: Client, key: str) -> int:
    async with client.post(key) as answer:
        return int(answer.status)


async def wait_for_status(client: Client, key: str, status: int, *, within_s: float) -> float:
    """Seconds until the key is answered with `status`."""
    started_s = time.monotonic()
    while await status_of(client, key) != status:
        assert time.monotonic() - started_s < within_s
    return time.monotonic() - started_s


async def test_a_revoked_key_is_refused_within_two_seconds_by_every_edge(edge_database: Postgres) -> None:
    key, key_id = await make_key(edge_database, "gw")
    async with (
        running_stack(edge_database) as (client, router),
        running_edge(edge_settings(edge_database, router.url)) as other,
    ):
        assert [await status_of(one, key) for one in (client, other)] == [200, 200]
        await keys(edge_database, "revoke", key_id)
        for one in (client, other):
            await wait_for_status(one, key, 401, within_s=REVOKED_WITHIN_S)


async def test_unknown_revoked_and_expired_keys_are_answered_alike(edge_database: Postgres) -> None:
    revoked, key_id = await make_key(edge_database, "gw")
    await keys(edge_database, "revoke", key_id)
    expired, key_id = await make_key(edge_database, "gw")
    async with as_operator(edge_database) as connection:
        await connection.execute("UPDATE edge.api_key SET expires_at = now() WHERE key_id = $1", key_id)
    async with running_stack(edge_database) as (client, _):
        bodies = []
        for key in (revoked, expired, "gw-" + "a" * 49):
            async with client.post(key) as answer:
                assert answer.status == 401
                bodies.append(await answer.read())
    assert len(set(bodies)) == 1


async def test_a_key_expires_while_it_is_cached(edge_database: Postgres) -> None:
    key, key_id = await make_key(edge_database, "gw")
    async with as_operator(edge_database) as connection:
        await connection.execute(
            "UPDATE edge.api_key SET expires_at = now() + interval '1 second' WHERE key_id = $1", key_id
        )
    async with running_stack(edge_database) as (client, _):
        assert await status_of(client, key) == 200
        await wait_for_status(client, key, 401, within_s=3)


async def test_keys_are_listed_without_the_keys_themselves(edge_database: Postgres) -> None:
    key, key_id = await make_key(edge_database, "langchain", plan="langchain")
    (line,) = [line for line in await keys(edge_database, "list") if key_id in line]
    assert key not in line
    assert f"langchain-...{key[-4:]}" in line
    assert "live" in line
    await keys(edge_database, "revoke", key_id)
    (line,) = [line for line in await keys(edge_database, "list") if key_id in line]
    assert "revoked" in line


async def test_no_key_and_no_pepper_is_in_the_database(edge_database: Postgres) -> None:
    key, key_id = await make_key(edge_database, "gw")
    async with as_operator(edge_database) as connection:
        row = await connection.fetchrow("SELECT k::text AS t FROM edge.api_key AS k WHERE key_id = $1", key_id)
    assert row is not None
    assert key[3:-4] not in row["t"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE edge.api_key SET scopes = '{}'",
        "UPDATE edge.api_key SET digest = digest",
        "DELETE FROM edge.api_key",
        "UPDATE edge.plan SET requests_per_minute = 1",
        "UPDATE edge.tenant SET plain_end_user_ids = true",
        "CREATE TABLE edge.mine (i int)",
        "INSERT INTO edge.plan (tenant_id, plan_id) VALUES ('default', 'mine')",
        "SELECT edge.seed_plans()",
    ],
)
async def test_the_run_time_role_may_not(edge_database: Postgres, statement: str) -> None:
    connection = await postgres.connect(
        edge_database.dsn("edge"), edge_database.tls_files("edge"), application_name="tests"
    )
    try:
        with pytest.raises(asyncpg.PostgresError, match=r"permission denied|can only be called as triggers"):
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("role", ["edge", "operator"])
async def test_a_revocation_is_not_taken_back(edge_database: Postgres, role: str) -> None:
    _, key_id = await make_key(edge_database, "gw")
    await keys(edge_database, "revoke", key_id, role="edge")
    connection = await postgres.connect(
        edge_database.dsn(role), edge_database.tls_files(role), application_name="tests"
    )
    try:
        for moment in ("NULL", "now() + interval '1 day'"):
            with pytest.raises(asyncpg.RestrictViolationError, match="stays revoked"):
                await connection.execute(f"UPDATE edge.api_key SET revoked_at = {moment} WHERE key_id = $1", key_id)
    finally:
        await connection.close()


@pytest.mark.parametrize("role", ["router", "billing", "billing_reader"])
async def test_other_roles_see_no_key(edge_database: Postgres, role: str) -> None:
    connection = await postgres.connect(
        edge_database.dsn(role), edge_database.tls_files(role), application_name="tests"
    )
    try:
        for statement in ("SELECT * FROM edge.api_key", "SELECT edge.grant_of_key('\\x00')"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(statement)
    finally:
        await connection.close()


async def test_every_column_is_commented(edge_database: Postgres) -> None:
    async with as_operator(edge_database) as connection:
        missing = await connection.fetch(
            "SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid"
            " WHERE c.relnamespace = 'edge'::regnamespace AND c.relkind = 'r'"
            " AND a.attnum > 0 AND col_description(c.oid, a.attnum) IS NULL"
        )
    assert missing == []


async def test_without_the_database_warm_keys_work_and_cold_ones_are_503_never_401(
    edge_database: Postgres, api_keys: Keys
) -> None:
    cold, _ = await make_key(edge_database, "gw")
    async with running_stack(edge_database) as (client, _):
        assert await status_of(client, api_keys.gw) == 200
        edge_database.kill()
        try:
            async with client.post(cold) as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (503, "database_unavailable")
                assert answer.headers["retry-after"] == "1"
            assert await status_of(client, api_keys.gw) == 200
            async with client.get("/health") as answer:
                assert answer.status == 200
                assert (await answer.json())["checks"]["database"] == "unavailable"
        finally:
            edge_database.start()
        await wait_for_status(client, cold, 200, within_s=10)


async def test_a_revocation_made_while_the_channel_was_down_is_seen_when_it_is_back(edge_database: Postgres) -> None:
    key, key_id = await make_key(edge_database, "gw")
    async with running_stack(edge_database) as (client, _):
        assert await status_of(client, key) == 200
        async with as_operator(edge_database) as connection, connection.transaction():
            await connection.execute("ALTER TABLE edge.api_key DISABLE TRIGGER notify_grants")
            await connection.execute("UPDATE edge.api_key SET revoked_at = now() WHERE key_id = $1", key_id)
            await connection.execute("ALTER TABLE edge.api_key ENABLE TRIGGER notify_grants")
        assert await status_of(client, key) == 200
        edge_database.kill()
        edge_database.start()
        await wait_for_status(client, key, 401, within_s=10)


async def test_a_database_that_hangs_is_503_in_time(
    edge_database: Postgres, api_keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grant_store, "LOOK_UP_TIMEOUT_S", 0.3)
    async with running_stack(edge_database) as (client, _):
        async with as_operator(edge_database) as connection, connection.transaction():
            await connection.execute("LOCK TABLE edge.api_key IN ACCESS EXCLUSIVE MODE")
            async with asyncio.timeout(2):
                assert await status_of(client, api_keys.gw) == 503
        await wait_for_status(client, api_keys.gw, 200, within_s=5)


async def test_an_edge_starts_without_database_and_router_and_says_so(edge_database: Postgres, api_keys: Keys) -> None:
    settings = edge_settings(edge_database, "https://localhost:1", postgres_dsn="postgresql://edge@localhost:1/gateway")
    async with running_edge(settings) as client:
        assert await status_of(client, api_keys.gw) == 503
        async with client.get("/health") as answer:
            checks = (await answer.json())["checks"]
    assert checks == {"router": "unavailable", "database": "unavailable"}


async def test_a_herd_of_one_new_key_asks_the_database_once(edge_database: Postgres) -> None:
    key, _ = await make_key(edge_database, "gw", plan="premium")
    async with running_stack(edge_database) as (client, router):
        before = total("gateway_edge_grant_lookups_total")
        statuses = await asyncio.gather(*(status_of(client, key) for _ in range(50)))
        assert statuses == [200] * 50
        assert total("gateway_edge_grant_lookups_total") - before == 1
        assert len(router.calls) == 50


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--tenant", "A b", "--user", "ada"), "a tenant's name is 1 to 64 of the characters"),
        (("--user", "a/b"), "a user's name is 1 to 128 of the characters"),
        (("--user", "ada", "--plan", "golden"), "has no plan golden"),
    ],
)
async def test_a_key_that_cannot_be_made_is_refused_with_the_rule(
    edge_database: Postgres, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    with pytest.raises(AssertionError):
        await keys(edge_database, "create", "--kind", "gw", *arguments)
    assert told in capsys.readouterr().err
