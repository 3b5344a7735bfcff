"""Who may do what in the database: every table, view, function and schema, for every run-time role, as one table.

Whoever adds a relation or a function, or grants one, meets this page: a right that is not written here is too much.
"""

from collections import defaultdict
from typing import Any

import asyncpg
import pytest

from gateway_shared import migrations, postgres
from tests.integration.billing.running_billing import query
from tests.servers import Postgres

ROLES = ("edge", "router", "billing", "billing_reader")

WRITES: dict[tuple[str, str], set[str]] = {
    # for `keys create` and `keys revoke`, which the compose stack runs in the edge's container
    ("edge", "INSERT"): {"edge.tenant", "edge.app_user", "edge.api_key"},
    ("edge", "UPDATE"): {"edge.api_key"},
    ("billing", "INSERT"): {
        f"billing.{name}"
        for name in (
            "adjustment",
            "closed_month",
            "end_user",
            "event",
            "price",
            "price_version",
            "producer",
            "quarantine",
            "quarantine_resolution",
            "rating",
            "statement_line",
            "tariff_rate",
            "tariff_rule",
            "tariff_tier",
            "tariff_version",
            "unrated",
        )
    },
    # bookkeeping, not ledger
    ("billing", "UPDATE"): {"billing.producer"},
    ("billing", "DELETE"): {"billing.unrated"},
    # providers are managed through the router
    ("router", "INSERT"): {"router.provider", "router.provider_key", "router.routing_setting"},
    ("router", "UPDATE"): {
        "router.configuration",
        "router.provider",
        "router.provider_key",
        "router.routing_setting",
    },
    ("router", "DELETE"): {"router.provider", "router.provider_key", "router.routing_setting"},
}
READS: dict[str, set[str]] = {
    "edge": {"edge.tenant", "edge.app_user", "edge.api_key", "edge.plan"},
    "router": {
        "billing.list_price",
        "billing.producer_progress",
        "router.configuration",
        "router.provider",
        "router.provider_key",
        "router.routing_setting",
    },
}
NOT_FOR_THE_READER = {"billing.migration"}
EXECUTES: dict[str, set[str]] = {
    "edge": {"edge.grant_of_key", "billing.tenant_usage"},
    "router": {"billing.missing_of_producers", "billing.publish_provider_prices"},
    "billing_reader": {
        "billing.is_closed",
        "billing.missing_ranges",
        "billing.tier_shares",
        "billing.uuid7_floor",
        "billing.volume_tiers",
    },
    "billing": {
        "billing.advance_checkpoints",
        "billing.change_books",
        "billing.ensure_next_partition",
        "billing.ensure_partitions",
        "billing.is_closed",
        "billing.missing_ranges",
        "billing.read_books",
        "billing.tier_shares",
        "billing.uuid7_floor",
        "billing.volume_tiers",
    },
}
SCHEMAS = {
    "edge": {"edge", "billing"},
    "router": {"router", "billing"},
    "billing": {"billing"},
    "billing_reader": {"billing"},
}

RELATION_RIGHTS = """
SELECT role, privilege, n.nspname || '.' || c.relname AS name, c.relispartition
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN unnest($1::text[]) AS role
CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS privilege
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND (has_table_privilege(role, c.oid, privilege) OR (
        privilege IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND has_any_column_privilege(role, c.oid, privilege)))
"""
FUNCTION_RIGHTS = """
SELECT role, n.nspname || '.' || p.proname AS name
FROM pg_proc AS p
JOIN pg_namespace AS n ON n.oid = p.pronamespace
CROSS JOIN unnest($1::text[]) AS role
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND has_function_privilege(role, p.oid, 'EXECUTE')
"""
OTHER_RIGHTS = """
SELECT role, 'owns ' || c.oid::regclass AS what
FROM unnest($1::text[]) AS role JOIN pg_roles AS r ON r.rolname = role JOIN pg_class AS c ON c.relowner = r.oid
UNION ALL
SELECT role, 'may create in ' || n.nspname FROM unnest($1::text[]) AS role, pg_namespace AS n
WHERE has_schema_privilege(role, n.oid, 'CREATE')
UNION ALL
SELECT role, 'may create schemas or temporary tables' FROM unnest($1::text[]) AS role
WHERE has_database_privilege(role, current_database(), 'CREATE, TEMPORARY')
UNION ALL
SELECT role, 'uses the sequence ' || c.oid::regclass FROM unnest($1::text[]) AS role, pg_class AS c
WHERE c.relkind = 'S' AND has_sequence_privilege(role, c.oid, 'USAGE, SELECT, UPDATE')
UNION ALL
SELECT member.rolname, 'is a ' || r.rolname
FROM pg_auth_members AS m JOIN pg_roles AS member ON member.oid = m.member JOIN pg_roles AS r ON r.oid = m.roleid
WHERE member.rolname = ANY ($1)
UNION ALL
SELECT rolname, 'has attributes' FROM pg_roles
WHERE rolname = ANY ($1) AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)
"""


@pytest.fixture
async def database(ledger_database: Postgres) -> Postgres:
    """With all schemas."""
    connection = await postgres.connect(
        ledger_database.dsn("operator"), ledger_database.tls_files("operator"), application_name="tests"
    )
    await migrations.migrate(connection, schema="edge", package="gateway_edge")
    await migrations.migrate(connection, schema="router", package="gateway_router")
    await connection.close()
    return ledger_database


async def rights(database: Postgres, sql: str) -> list[asyncpg.Record]:
    return await query(database, "operator", sql, list(ROLES))


async def relations(database: Postgres) -> dict[Any, set[str]]:
    found: dict[Any, set[str]] = defaultdict(set)
    for row in await rights(database, RELATION_RIGHTS):
        if not row["relispartition"]:
            found[row["role"], row["privilege"]].add(row["name"])
    return found


async def test_nobody_writes_more_than_his_work_asks_for(database: Postgres) -> None:
    found = await relations(database)
    writes = {key: names for key, names in found.items() if key[1] != "SELECT"}
    assert writes == WRITES


async def test_edge_and_router_read_their_own_and_their_contracts(database: Postgres) -> None:
    found = await relations(database)
    assert {role: found[role, "SELECT"] for role in READS} == READS


async def test_the_reader_sees_the_whole_ledger_and_nothing_else(database: Postgres) -> None:
    everything = await query(
        database,
        "operator",
        "SELECT 'billing.' || relname AS name FROM pg_class WHERE relnamespace = 'billing'::regnamespace"
        " AND relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition",
    )
    found = await relations(database)
    assert found["billing_reader", "SELECT"] == {row["name"] for row in everything} - NOT_FOR_THE_READER
    assert found["billing", "SELECT"] <= {row["name"] for row in everything}


async def test_a_partition_is_reached_through_its_table_only(database: Postgres) -> None:
    direct = {
        (row["role"], row["privilege"], row["name"])
        for row in await rights(database, RELATION_RIGHTS)
        if row["relispartition"]
    }
    # for the metric that tells of rows outside all months
    defaults = ("billing.event_default", "billing.rating_default")
    assert direct == {("billing", "SELECT", name) for name in defaults}


async def test_functions_are_executed_by_those_who_need_them(database: Postgres) -> None:
    found: dict[str, set[str]] = {role: set() for role in ROLES}
    for row in await rights(database, FUNCTION_RIGHTS):
        found[row["role"]].add(row["name"])
    assert found == EXECUTES


async def test_a_schema_is_open_to_those_who_have_business_in_it(database: Postgres) -> None:
    rows = await rights(
        database,
        "SELECT role, nspname FROM unnest($1::text[]) AS role, pg_namespace"
        " WHERE nspname IN ('edge', 'router', 'billing') AND has_schema_privilege(role, oid, 'USAGE')",
    )
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        found[row["role"]].add(row["nspname"])
    assert found == SCHEMAS


async def test_no_run_time_role_owns_creates_or_is_anything_more(database: Postgres) -> None:
    assert [tuple(row) for row in await rights(database, OTHER_RIGHTS)] == []


async def test_of_a_key_only_its_revocation_can_be_set(database: Postgres) -> None:
    rows = await query(
        database,
        "operator",
        "SELECT table_name, column_name FROM information_schema.role_column_grants"
        " WHERE grantee = 'edge' AND privilege_type = 'UPDATE' AND table_schema = 'edge'",
    )
    assert [tuple(row) for row in rows] == [("api_key", "revoked_at")]


async def test_functions_with_their_owners_rights_have_a_fixed_search_path(database: Postgres) -> None:
    """Or a caller could put objects of his own in front of those that the function means."""
    rows = await query(
        database,
        "operator",
        "SELECT oid::regprocedure::text AS name FROM pg_proc WHERE prosecdef"
        " AND pronamespace IN ('billing'::regnamespace, 'edge'::regnamespace)"
        " AND NOT coalesce(proconfig, '{}') && ARRAY['search_path=pg_catalog, pg_temp']",
    )
    assert rows == []
