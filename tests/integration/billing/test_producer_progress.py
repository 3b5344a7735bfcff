"""What the ledger says of each producer: the router removes its journal by it, so it may never say too much."""

import random
from collections.abc import Iterable
from uuid import uuid4

import asyncpg
import pytest

from tests.integration.billing.running_billing import query
from tests.servers import Postgres
from tests.unit.billing.usage_events import event_id

INSERT_EVENT = """
INSERT INTO billing.event (
    event_id, started_at, request_id, attempt, is_final, producer, sequence, tenant_id, user_id, key_id, plan_id,
    channel, client_retry_count, endpoint, stream, provider, price_provider, model_requested, model_upstream,
    duration_us, http_status, status, finish_state, usage_source, schema_version, input_tokens, cached_input_tokens,
    cache_write_5m_tokens, cache_write_1h_tokens, input_audio_tokens, output_tokens, reasoning_tokens,
    output_audio_tokens
)
SELECT
    event_id, now(), 'request', 1, true, $1, sequence, 'tenant', 'user', 'key', 'standard',
    'standard', 0, 'chat.completions', true, 'openai', 'openai', 'm', 'm',
    1, 200, 'settled', 'complete', 'provider', 1, 1, 0, 0, 0, 0, 1, 0, 0
FROM unnest($2::uuid[], $3::bigint[]) AS event (event_id, sequence)
"""
INSERT_QUARANTINE = """
INSERT INTO billing.quarantine (raw_sha256, raw, error, producer, sequence)
SELECT md5(random()::text), '', 'test', $1, sequence FROM unnest($2::bigint[]) AS held (sequence)
"""
FROM_FACTS = """
SELECT
    coalesce(max(sequence) FILTER (WHERE sequence = position), 0) AS contiguous_sequence,
    coalesce(max(sequence), 0) AS highest_sequence,
    count(*) AS events_held
FROM (
    SELECT sequence, row_number() OVER (ORDER BY sequence) AS position
    FROM (
        SELECT sequence FROM billing.event WHERE producer = $1
        UNION
        SELECT sequence FROM billing.quarantine WHERE producer = $1 AND sequence >= 1
    ) AS held
) AS numbered
"""
PROGRESS = (
    "SELECT contiguous_sequence, highest_sequence, events_held FROM billing.producer_progress WHERE producer = $1"
)
ADVANCE = "SELECT billing.advance_checkpoints()"
DELETE = "DELETE FROM billing.event WHERE producer = $1 AND sequence = $2"


async def insert(database: Postgres, producer: str, sequences: Iterable[int]) -> None:
    numbers = list(sequences)
    await query(database, "operator", INSERT_EVENT, producer, [event_id() for _ in numbers], numbers)


async def progress(database: Postgres, producer: str) -> asyncpg.Record:
    (row,) = await query(database, "router", PROGRESS, producer)
    return row


@pytest.mark.parametrize("seed", range(6))
async def test_progress_is_what_the_rows_say_wherever_the_checkpoint_stands(
    ledger_database: Postgres, producer: str, seed: int
) -> None:
    chance = random.Random(seed)
    left = list(range(1, 41))
    chance.shuffle(left)
    while left:
        taken, left = left[:7], left[7:]
        held_twice = taken[:1] if chance.random() < 0.5 else []
        if chance.random() < 0.3:
            await query(ledger_database, "operator", INSERT_QUARANTINE, producer, [*taken, 0])
        else:
            await insert(ledger_database, producer, [*taken, *held_twice])
        if chance.random() < 0.5:
            await query(ledger_database, "billing", ADVANCE)
        if chance.random() < 0.3:
            lost = chance.randint(1, 40)
            await query(ledger_database, "operator", DELETE, producer, lost)
        (facts,) = await query(ledger_database, "operator", FROM_FACTS, producer)
        assert dict(await progress(ledger_database, producer)) == dict(facts)


async def test_a_row_deleted_by_hand_is_missing_again(ledger_database: Postgres, producer: str) -> None:
    await insert(ledger_database, producer, range(1, 11))
    await query(ledger_database, "billing", ADVANCE)
    assert tuple(await progress(ledger_database, producer)) == (10, 10, 10)
    await query(ledger_database, "operator", DELETE, producer, 4)
    assert tuple(await progress(ledger_database, producer)) == (3, 10, 9)
    await query(ledger_database, "billing", ADVANCE)
    await insert(ledger_database, producer, [4])
    assert tuple(await progress(ledger_database, producer)) == (10, 10, 10)


async def test_a_million_events_that_are_complete_are_not_looked_at_again(
    ledger_database: Postgres, producer: str
) -> None:
    """Pages read are the measure: a look at each row would be thousands.

    In a month of their own: of this hour, each start of billing would find them unrated.
    """
    year_2043_ms = 2_304_000_000_000  # 2043-01-04
    await query(ledger_database, "operator", "SELECT billing.create_partitions('2043-01-01', 1)")
    ids = [event_id(unix_ms=year_2043_ms + number) for number in range(50_000)]
    await query(ledger_database, "operator", INSERT_EVENT, producer, ids, list(range(1, 50_001)))
    await query(ledger_database, "operator", "VACUUM ANALYZE billing.event")
    await query(ledger_database, "billing", ADVANCE)
    await insert(ledger_database, producer, [*range(50_001, 50_011), 50_012])
    assert tuple(await progress(ledger_database, producer)) == (50_010, 50_012, 50_011)
    plan = await query(ledger_database, "router", f"EXPLAIN (ANALYZE, BUFFERS, FORMAT TEXT) {PROGRESS}", producer)
    buffers = next(row[0] for row in plan if "Buffers" in row[0])
    assert int(buffers.split("hit=")[1].split()[0]) < 500, "\n".join(row[0] for row in plan)
    await query(ledger_database, "operator", "DROP TABLE billing.event_2043_01, billing.rating_2043_01")


async def test_a_producer_of_whom_nothing_arrived_but_its_mark_is_known(
    ledger_database: Postgres, producer: str
) -> None:
    await query(
        ledger_database,
        "billing",
        "INSERT INTO billing.producer (producer, sequence, closed, marked_at) VALUES ($1, 7, false, now())",
        producer,
    )
    assert tuple(await progress(ledger_database, producer)) == (0, 0, 0)


async def test_a_partition_that_is_removed_takes_nothing_back(ledger_database: Postgres) -> None:
    producer = f"router/{uuid4().hex}"
    year_2042_ms = 2_280_000_000_000  # 2042-04-01
    await query(ledger_database, "operator", "SELECT billing.create_partitions('2042-04-01', 1)")
    ids = [event_id(unix_ms=year_2042_ms + 86_400_000 + number) for number in range(3)]
    await query(ledger_database, "operator", INSERT_EVENT, producer, ids, [1, 2, 3])
    await query(ledger_database, "billing", ADVANCE)
    await query(ledger_database, "operator", "DROP TABLE billing.event_2042_04, billing.rating_2042_04")
    await insert(ledger_database, producer, [4])
    assert tuple(await progress(ledger_database, producer)) == (4, 4, 4)
