"""How what could not be recorded gets into the ledger after all: once, and on record."""

import hashlib
from pathlib import Path

import asyncpg
import orjson
import pytest

from tests.integration.billing.running_billing import (
    RunningBilling,
    attempts_of,
    environment,
    publish,
    query,
    rows_when,
    run_command,
)
from tests.servers import Certificates, Postgres, RabbitMq
from tests.unit.billing.usage_events import event_id, usage_event


@pytest.fixture
def env(certificates: Certificates, ledger_database: Postgres) -> dict[str, str]:
    return environment(certificates, ledger_database, "billing")


def as_of_another_version(producer: str, sequence: int) -> bytes:
    """A good event in a format that no release has had yet."""
    return usage_event(producer=producer, sequence=sequence, schema_version=9).to_json()


def sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


async def put_in_quarantine(database: Postgres, raw: bytes, producer: str | None, sequence: int | None) -> str:
    """As an older release would have, that could not read what this one can."""
    await query(
        database,
        "billing",
        "INSERT INTO billing.quarantine (raw_sha256, raw, error, producer, sequence) VALUES ($1, $2, 'old', $3, $4)",
        sha256(raw),
        raw,
        producer,
        sequence,
    )
    return sha256(raw)


async def completeness_of(database: Postgres, producer: str) -> asyncpg.Record:
    (row,) = await query(database, "billing_reader", "SELECT * FROM billing.completeness WHERE producer = $1", producer)
    return row


async def rows_of(database: Postgres, producer: str) -> list[asyncpg.Record]:
    return await query(
        database, "billing_reader", "SELECT * FROM billing.attempts WHERE producer = $1 ORDER BY sequence", producer
    )


async def resolution_of(database: Postgres, raw: bytes) -> asyncpg.Record | None:
    rows = await query(
        database, "billing_reader", "SELECT * FROM billing.quarantine_resolution WHERE raw_sha256 = $1", sha256(raw)
    )
    return rows[0] if rows else None


async def test_an_entry_is_listed_shown_edited_and_recorded_once(
    env: dict[str, str],
    billing: RunningBilling,
    rabbitmq_server: RabbitMq,
    ledger_database: Postgres,
    producer: str,
    tmp_path: Path,
) -> None:
    raw = as_of_another_version(producer, 2)
    good = [usage_event(producer=producer, sequence=number).to_json() for number in (1, 3)]
    await publish(rabbitmq_server, [*good, raw])
    await rows_when(ledger_database, "SELECT * FROM billing.quarantine_open WHERE producer = $1", producer, enough=bool)
    await attempts_of(ledger_database, producer, count=2)
    before = await completeness_of(ledger_database, producer)
    assert (before["in_ledger"], before["quarantined"], before["missing"]) == (2, 1, 0)

    name = sha256(raw)[:12]
    (line,) = [line for line in run_command(env, "quarantine", "list").stdout.splitlines() if line.startswith(name)]
    assert f"{producer} 2" in line
    assert "unknown schema_version 9" in line
    assert "tenant default" in line
    shown = run_command(env, "quarantine", "show", name)
    assert shown.stdout.encode() == raw + b"\n"

    again = run_command(env, "quarantine", "resubmit", name)
    assert (again.returncode, "unknown schema_version 9" in again.stderr) == (1, True)

    edited = tmp_path / "event.json"
    edited.write_bytes(orjson.dumps(orjson.loads(shown.stdout) | {"schema_version": 2}, option=orjson.OPT_INDENT_2))
    fix = ("quarantine", "fix", name, "--file", str(edited), "--note", "version 9 was a slip")
    assert run_command(env, *fix).returncode == 0
    refused = run_command(env, *fix)
    assert (refused.returncode, "it is edited already" in refused.stderr) == (1, True)

    rows = await rows_of(ledger_database, producer)
    assert [(row["sequence"], row["cost_nano_usd"]) for row in rows] == [(1, 222_500), (2, 222_500), (3, 222_500)]
    after = await completeness_of(ledger_database, producer)
    assert (after["produced"], after["in_ledger"], after["quarantined"], after["missing"]) == (3, 3, 0, 0)
    resolution = await resolution_of(ledger_database, raw)
    assert resolution is not None
    assert (resolution["resolution"], resolution["note"]) == ("edited", "version 9 was a slip")
    assert (resolution["event_id"], resolution["edited"]) == (rows[1]["event_id"], edited.read_bytes())
    assert name not in run_command(env, "quarantine", "list").stdout
    assert name in run_command(env, "quarantine", "list", "--all").stdout


async def test_what_this_release_can_read_is_resubmitted_as_it_is_even_when_a_replay_was_faster(
    env: dict[str, str], billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    first, second = (usage_event(producer=producer, sequence=number).to_json() for number in (1, 2))
    names = [await put_in_quarantine(ledger_database, raw, producer, n) for n, raw in ((1, first), (2, second))]
    await publish(rabbitmq_server, [second])
    await attempts_of(ledger_database, producer, count=1)
    done = run_command(env, "quarantine", "resubmit", *names)
    assert (done.returncode, done.stdout.count("recorded as event")) == (0, 2), done.stderr
    assert [row["sequence"] for row in await rows_of(ledger_database, producer)] == [1, 2]
    row = await completeness_of(ledger_database, producer)
    assert (row["in_ledger"], row["quarantined"], row["missing"]) == (2, 0, 0)


@pytest.mark.parametrize("change", [{"sequence": 8}, {"producer": "router/other"}, {"event_id": event_id()}])
async def test_an_edit_cannot_make_another_event_of_it(
    env: dict[str, str], ledger_database: Postgres, producer: str, tmp_path: Path, change: dict[str, object]
) -> None:
    raw = as_of_another_version(producer, 7)
    name = await put_in_quarantine(ledger_database, raw, producer, 7)
    edited = tmp_path / "event.json"
    edited.write_bytes(orjson.dumps(orjson.loads(raw) | {"schema_version": 2} | change))
    refused = run_command(env, "quarantine", "fix", name, "--file", str(edited), "--note", "x")
    assert refused.returncode == 1
    assert f"{next(iter(change))} was" in refused.stderr
    assert "cannot become" in refused.stderr
    assert await rows_of(ledger_database, producer) == []
    assert await resolution_of(ledger_database, raw) is None


async def test_an_event_that_the_ledger_has_under_another_id_is_dismissed_not_doubled(
    env: dict[str, str],
    billing: RunningBilling,
    rabbitmq_server: RabbitMq,
    ledger_database: Postgres,
    producer: str,
    tmp_path: Path,
) -> None:
    good = usage_event(producer=producer, sequence=1)
    await publish(rabbitmq_server, [good.to_json()])
    await attempts_of(ledger_database, producer, count=1)
    raw = usage_event(producer=producer, sequence=1, event_id="no uuid").to_json()
    name = await put_in_quarantine(ledger_database, raw, producer, 1)
    edited = tmp_path / "event.json"
    edited.write_bytes(orjson.dumps(orjson.loads(raw) | {"event_id": event_id()}))
    refused = run_command(env, "quarantine", "fix", name, "--file", str(edited), "--note", "x")
    assert (refused.returncode, good.event_id in refused.stderr) == (1, True)
    assert run_command(env, "quarantine", "dismiss", name, "--note", "the ledger has it").returncode == 0
    assert len(await rows_of(ledger_database, producer)) == 1
    row = await completeness_of(ledger_database, producer)
    assert (row["produced"], row["in_ledger"], row["dismissed"], row["missing"]) == (1, 1, 0, 0)


async def test_a_dismissed_number_is_accounted_for_and_not_in_the_ledger(
    env: dict[str, str], ledger_database: Postgres, producer: str
) -> None:
    name = await put_in_quarantine(ledger_database, f"no event of {producer}".encode(), producer, 1)
    assert run_command(env, "quarantine", "dismiss", name, "--note", "a test line").returncode == 0
    row = await completeness_of(ledger_database, producer)
    assert (row["produced"], row["in_ledger"], row["dismissed"], row["missing"]) == (1, 0, 1, 0)


async def test_a_stranger_s_bytes_cannot_steer_the_terminal(
    env: dict[str, str], ledger_database: Postgres, producer: str
) -> None:
    name = await put_in_quarantine(ledger_database, producer.encode(), "evil\x1b[2Jproducer", 1)
    listing = run_command(env, "quarantine", "list")
    assert "\x1b" not in listing.stdout
    assert "evil\\x1b[2Jproducer" in listing.stdout
    run_command(env, "quarantine", "dismiss", name, "--note", "a test")


@pytest.mark.parametrize("arguments", [("show", "00ff00ff"), ("resubmit", "00ff00ff"), ("resubmit",), ("fix", "00")])
def test_a_wrong_call_says_so(env: dict[str, str], ledger_database: Postgres, arguments: tuple[str, ...]) -> None:
    done = run_command(env, "quarantine", *arguments)
    assert done.returncode in (1, 2)
    assert done.stderr
    assert "Traceback" not in done.stderr
