"""The schema as others meet it: described, granted narrowly, partitioned by month."""

import asyncio

import asyncpg
import pytest

from gateway_billing.received_event import EVENT_COLUMNS
from gateway_shared import postgres
from tests.integration.billing.running_billing import query, rows_when
from tests.servers import Postgres
from tests.unit.billing.usage_events import event_id

EVERY_RELATION = """
SELECT c.relname, a.attname, col_description(c.oid, a.attnum) AS comment
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'billing'
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'v', 'm')
UNION ALL
SELECT c.relname, NULL, obj_description(c.oid, 'pg_class')
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'billing'
WHERE c.relkind IN ('r', 'p', 'v', 'm')
"""
UNITS = {"_us": "microseconds", "_tokens": "tokens", "nano_usd": "nano-USD", "_usd": "USD", "_at": "UTC"}


async def test_every_table_view_and_column_is_described_with_its_unit(ledger_database: Postgres) -> None:
    rows = await query(ledger_database, "operator", EVERY_RELATION)
    assert len(rows) > 300
    assert [f"{row['relname']}.{row['attname']}" for row in rows if not row["comment"]] == []
    without_unit = [
        f"{row['relname']}.{row['attname']}: {row['comment']}"
        for row in rows
        for suffix, unit in UNITS.items()
        if row["attname"] and row["attname"].endswith(suffix) and unit not in row["comment"]
    ]
    assert without_unit == []


async def test_the_row_that_a_consumer_sends_has_the_columns_in_its_order(ledger_database: Postgres) -> None:
    rows = await query(
        ledger_database,
        "operator",
        "SELECT attname FROM pg_attribute WHERE attrelid = 'billing.event_row'::regclass ORDER BY attnum",
    )
    assert tuple(row["attname"] for row in rows) == EVENT_COLUMNS


@pytest.mark.parametrize(
    ("role", "sql"),
    [
        ("billing_reader", "INSERT INTO billing.quarantine (raw_sha256, raw, error) VALUES ('x', '', 'x')"),
        ("billing_reader", "DELETE FROM billing.event"),
        ("billing_reader", "SELECT billing.ensure_partitions()"),
        ("billing", "UPDATE billing.event SET tenant_id = 'other'"),
        ("billing", "DELETE FROM billing.event"),
        ("billing", "UPDATE billing.rating SET nano_usd = 0"),
        ("billing", "TRUNCATE billing.rating"),
        ("billing", "DELETE FROM billing.price"),
        ("billing", "CREATE TABLE billing.mine (a integer)"),
        ("billing", "SELECT billing.create_partitions('2040-01-01', 1000)"),
        ("router", "SELECT * FROM billing.event"),
        ("router", "SELECT * FROM billing.attempts"),
        ("edge", "SELECT * FROM billing.usage"),
    ],
)
async def test_a_role_may_not_do_what_is_not_its_work(ledger_database: Postgres, role: str, sql: str) -> None:
    connection = await postgres.connect(
        ledger_database.dsn(role), ledger_database.tls_files(role), application_name="test"
    )
    # the reader's sessions are read-only by default, which it could switch off: the grants are what is tested
    await connection.execute("SET default_transaction_read_only = off")
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(sql)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("role", "relation"),
    [
        *(
            ("billing_reader", relation)
            for relation in ("attempts", "usage", "usage_daily", "unpriced", "event", "rating", "price", "quarantine")
        ),
        ("router", "producer_progress"),
        ("billing_reader", "producer_progress"),
    ],
)
async def test_a_role_reads_what_it_is_meant_to(ledger_database: Postgres, role: str, relation: str) -> None:
    await query(ledger_database, role, f"SELECT * FROM billing.{relation} LIMIT 1")


async def test_the_reader_cannot_look_into_other_schemas(ledger_database: Postgres) -> None:
    await query(ledger_database, "operator", "CREATE SCHEMA IF NOT EXISTS edge")
    await query(ledger_database, "operator", "CREATE TABLE IF NOT EXISTS edge.private_to_the_edge ()")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await query(ledger_database, "billing_reader", "SELECT * FROM edge.private_to_the_edge")
    await query(ledger_database, "operator", "DROP TABLE edge.private_to_the_edge")


async def test_there_are_partitions_for_24_months_ahead_and_calling_again_makes_none(ledger_database: Postgres) -> None:
    for parent in ("event", "rating"):
        (row,) = await query(
            ledger_database,
            "operator",
            "SELECT to_regclass(format('billing.%s_%s', $1::text, to_char(now() AT TIME ZONE 'UTC' + interval"
            " '24 months', 'YYYY_MM'))) IS NOT NULL AS is_there",
            parent,
        )
        assert row["is_there"]
    (again,) = await query(ledger_database, "billing", "SELECT billing.ensure_next_partition() AS created")
    assert again["created"] is False


async def test_partitions_are_made_beside_a_transaction_that_locks_the_tables_the_other_way_round(
    ledger_database: Postgres,
) -> None:
    """It would end in a deadlock if both partitions of a month were made in one transaction."""
    files, dsn = ledger_database.tls_files("operator"), ledger_database.dsn("operator")
    waits_for_ratings = (
        "SELECT FROM pg_locks WHERE relation = 'billing.rating_default'::regclass"
        " AND mode = 'AccessExclusiveLock' AND NOT granted"
    )
    make_next = "SELECT billing.ensure_next_partition_at('2060-02-01')"

    async def make_both() -> None:
        for _ in range(2):
            await query(ledger_database, "operator", make_next)

    consumer = await postgres.connect(dsn, files, application_name="test")
    async with consumer.transaction():
        await consumer.execute("LOCK TABLE billing.rating_default IN ROW EXCLUSIVE MODE")
        making = asyncio.create_task(make_both())
        await rows_when(ledger_database, waits_for_ratings, enough=bool)
        await consumer.execute("LOCK TABLE billing.event_default IN ROW EXCLUSIVE MODE")
    await making
    await consumer.close()
    await query(ledger_database, "operator", "DROP TABLE billing.event_2060_01, billing.rating_2060_01")


async def test_rows_that_waited_in_the_default_partition_move_to_their_month(ledger_database: Postgres) -> None:
    """As when the clock is years ahead of the last `ensure_partitions`."""
    year_2041_ms = 2_250_000_000_000  # 2041-04-19
    late = event_id(unix_ms=year_2041_ms)
    await query(
        ledger_database,
        "operator",
        "INSERT INTO billing.rating (event_id, kind, revision, tenant_id, nano_usd, reason)"
        " VALUES ($1, 'cost', 1, 't', 5, 'test')",
        late,
    )
    where = "SELECT tableoid::regclass::text AS place FROM billing.rating WHERE event_id = $1"
    assert (await query(ledger_database, "operator", where, late))[0]["place"] == "billing.rating_default"
    await query(ledger_database, "operator", "SELECT billing.create_partitions('2041-04-01', 1)")
    assert (await query(ledger_database, "operator", where, late))[0]["place"] == "billing.rating_2041_04"


async def test_months_meet_without_a_gap_or_an_overlap(ledger_database: Postgres) -> None:
    """From last month on; before it, tests make single months of their own."""
    rows = await query(
        ledger_database,
        "operator",
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) AS bound FROM pg_inherits AS i"
        " JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = 'billing.event'::regclass"
        " AND c.relname LIKE 'event\\_20%' AND c.relname < 'event_2040'"
        " AND c.relname >= to_char(now() AT TIME ZONE 'UTC' - interval '1 month', '\"event_\"YYYY_MM')"
        " ORDER BY c.relname",
    )
    bounds = [row["bound"].replace("FOR VALUES FROM ('", "").replace("')", "").split(" TO ('") for row in rows]
    assert len(bounds) >= 26
    assert [upper for _, upper in bounds[:-1]] == [lower for lower, _ in bounds[1:]]
    first_ms = int(bounds[0][0].replace("-", "")[:12], 16)
    (row,) = await query(
        ledger_database, "operator", "SELECT to_char(to_timestamp($1), 'YYYY_MM-DD HH24:MI') AS start", first_ms / 1000
    )
    assert f"event_{row['start']}" == f"{rows[0]['relname']}-01 00:00"
