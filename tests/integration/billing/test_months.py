"""Months of the ledger: dropped when they are old and settled, kept when they are not, there before they begin."""

import subprocess
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest

from gateway_shared import postgres
from tests.integration.billing.running_billing import (
    RunningBilling,
    attempts_of,
    environment,
    publish_events,
    query,
    run_command,
)
from tests.servers import Certificates, Postgres, RabbitMq, wait_until
from tests.unit.billing.usage_events import event_id, usage_event

pytestmark = pytest.mark.usefixtures("tidy_ledger")

KEEP = ("--keep-months", str((datetime.now(UTC).year - 2019) * 12))
"""Months before 2019 are old here; other tests do not go back that far."""

INSERT_EVENT = "INSERT INTO billing.event SELECT * FROM jsonb_populate_record(NULL::billing.event, $1::jsonb)"
INSERT_RATING = (
    "INSERT INTO billing.rating (event_id, kind, revision, tenant_id, nano_usd, reason)"
    " VALUES ($1, $2, 1, $3, 7, 'test') ON CONFLICT DO NOTHING"
)
"""The service rates what has no rating, and may have been faster."""
CLOSE = (
    "INSERT INTO billing.closed_month"
    " (month, tenant_id, events, unpriced_events, uncharged_events, cost_nano_usd, charge_nano_usd)"
    " VALUES ($1, $2, 0, 0, 0, 0, 0)"
)

Retain = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def retain(ledger_database: Postgres, certificates: Certificates) -> Retain:
    def run(*options: str, role: str = "operator") -> "subprocess.CompletedProcess[str]":
        return run_command(environment(certificates, ledger_database, role), "retention", *KEEP, *options)

    return run


class Months:
    """Two months long ago, and rows in them."""

    def __init__(self, database: Postgres, first: datetime) -> None:
        self._database = database
        self.first, self.second = first, (first + timedelta(days=31)).replace(day=1)
        self.tenant = f"t-{uuid4().hex[:8]}"

    async def operator(self, sql: str, *arguments: Any) -> Any:
        return await query(self._database, "operator", sql, *arguments)

    async def record(
        self, producer: str, sequence: int, month: datetime, *, kinds: tuple[str, ...] = ("cost", "charge")
    ) -> None:
        moment = month + timedelta(days=3, seconds=sequence)
        event = usage_event(
            event_id=event_id(unix_ms=int(moment.timestamp() * 1000)),
            started_at=moment.isoformat(),
            tenant_id=self.tenant,
            producer=producer,
            sequence=sequence,
        )
        row = asdict(event)
        row |= row.pop("tokens") | {"received_at": moment.isoformat()}
        await self.operator(INSERT_EVENT, orjson.dumps(row).decode())
        for kind in kinds:
            await self.operator(INSERT_RATING, event.event_id, kind, self.tenant)

    async def close(self, month: datetime) -> None:
        await self.operator(CLOSE, month.date(), self.tenant)

    async def is_there(self, month: datetime) -> bool:
        [row] = await self.operator(
            "SELECT to_regclass('billing.event_' || $1) IS NOT NULL"
            " AND to_regclass('billing.rating_' || $1) IS NOT NULL AS there",
            f"{month:%Y_%m}",
        )
        return bool(row["there"])

    async def remove(self) -> None:
        for month in (self.first, self.second):
            await self.operator(f"DROP TABLE IF EXISTS billing.event_{month:%Y_%m}, billing.rating_{month:%Y_%m}")


@pytest.fixture
async def months(ledger_database: Postgres, request: pytest.FixtureRequest) -> Any:
    first = datetime(2010, 1, 1, tzinfo=UTC)
    both = Months(ledger_database, first)
    await both.operator("SELECT billing.create_partitions($1, 2)", first.date())
    yield both
    await both.remove()


async def test_an_old_month_that_is_settled_is_dropped_whole_and_not_missed(
    months: Months, retain: Retain, producer: str, ledger_database: Postgres, certificates: Certificates
) -> None:
    # at the turn of a month the numbers of two months mix
    for sequence, month in enumerate([months.first, months.first, months.second, months.first, months.second], start=1):
        await months.record(producer, sequence, month)
    await months.close(months.first)
    told = retain("--dry-run")
    assert (
        "2010-01: 3 events would be dropped; to have them as a file first: python -m gateway_billing export"
        in told.stdout
    )
    assert await months.is_there(months.first)

    done = retain()
    assert "2010-01: dropped 3 events and their ratings" in done.stdout
    assert "2010-02: stays: tenants whose month is not closed: 1" in done.stderr
    assert done.returncode == 1
    assert (await months.is_there(months.first), await months.is_there(months.second)) == (False, True)

    left = await query(
        ledger_database, "billing_reader", "SELECT sequence FROM billing.event WHERE producer = $1", producer
    )
    assert sorted(row["sequence"] for row in left) == [3, 5]
    ratings = await months.operator("SELECT count(*) FROM billing.rating WHERE tenant_id = $1", months.tenant)
    assert ratings[0]["count"] == 4
    ranges = await query(
        ledger_database,
        "billing_reader",
        "SELECT first_sequence, last_sequence, month FROM billing.dropped_range WHERE producer = $1 ORDER BY 1",
        producer,
    )
    assert [tuple(row) for row in ranges] == [(1, 2, months.first.date()), (4, 4, months.first.date())]
    [state] = await query(
        ledger_database, "billing_reader", "SELECT * FROM billing.completeness WHERE producer = $1", producer
    )
    assert (state["produced"], state["missing"]) == (5, 0)
    [progress] = await query(
        ledger_database, "router", "SELECT * FROM billing.producer_progress WHERE producer = $1", producer
    )
    assert progress["contiguous_sequence"] == 5
    reconciled = run_command(environment(certificates, ledger_database, "billing"), "reconcile", "--producer", producer)
    assert (reconciled.returncode, "dropped 3, missing 0" in reconciled.stdout) == (0, True)


async def test_an_event_of_a_dropped_month_that_comes_again_is_a_duplicate(
    months: Months,
    retain: Retain,
    producer: str,
    billing: RunningBilling,
    rabbitmq_server: RabbitMq,
    ledger_database: Postgres,
) -> None:
    await months.record(producer, 1, months.first)
    await months.close(months.first)
    assert "2010-01: dropped 1 events" in retain().stdout
    then = months.first + timedelta(days=3)
    replayed, late = (
        usage_event(
            event_id=event_id(unix_ms=int(then.timestamp() * 1000)),
            started_at=then.isoformat(),
            producer=producer,
            sequence=sequence,
        )
        for sequence in (1, 2)
    )
    await publish_events(rabbitmq_server, [replayed, replayed, late])
    [row] = await attempts_of(ledger_database, producer, count=1)
    assert row["sequence"] == 2
    wait_until(lambda: billing.metric('gateway_billing_events_total{result="duplicate"}') == 2, what="both duplicates")
    assert billing.metric('gateway_billing_events_total{result="inserted"}') == 1
    await months.operator("DELETE FROM billing.event WHERE producer = $1", producer)


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ("open", "tenants whose month is not closed: 1"),
        ("unpriced", "calls without a cost: 1"),
        ("uncharged", "calls without a charge: 1"),
        ("gap", "producers of which an event is missing: 1"),
        ("quarantine", "events in quarantine, of producers of the month or of no known one"),
    ],
)
async def test_a_month_that_is_not_settled_stays_and_says_why(
    months: Months, retain: Retain, producer: str, trouble: str, told: str
) -> None:
    kinds = {"unpriced": ("charge",), "uncharged": ("cost",)}.get(trouble, ("cost", "charge"))
    await months.record(producer, 1, months.first)
    await months.record(producer, 3 if trouble == "gap" else 2, months.first, kinds=kinds)
    if trouble != "open":
        await months.close(months.first)
    if trouble == "quarantine":
        await months.operator(
            "INSERT INTO billing.quarantine (raw_sha256, raw, error, producer) VALUES ($1, '', 'test', $1)", producer
        )
    try:
        for options in (("--dry-run",), ()):
            done = retain(*options)
            assert done.returncode == 1
            [line] = [line for line in done.stderr.splitlines() if line.startswith("2010-01: stays: ")]
            assert told in line
        assert await months.is_there(months.first)
    finally:
        await months.operator("DELETE FROM billing.quarantine WHERE producer = $1", producer)


async def test_a_reader_of_the_ledger_is_not_waited_for(
    months: Months, retain: Retain, producer: str, ledger_database: Postgres
) -> None:
    await months.record(producer, 1, months.first)
    await months.close(months.first)
    reader = await postgres.connect(
        ledger_database.dsn("billing_reader"), ledger_database.tls_files("billing_reader"), application_name="test"
    )
    try:
        async with reader.transaction():
            await reader.fetchval("SELECT count(*) FROM billing.event")
            done = retain()
            assert (done.returncode, "2010-01: not dropped, try again: LockNotAvailableError" in done.stderr) == (
                1,
                True,
            )
    finally:
        await reader.close()
    ranges = await months.operator("SELECT FROM billing.dropped_range WHERE producer = $1", producer)
    assert (await months.is_there(months.first), ranges) == (True, [])
    assert "2010-01: dropped 1 events" in retain().stdout


async def test_only_the_owner_drops_a_month(months: Months, retain: Retain, ledger_database: Postgres) -> None:
    for role in ("billing", "billing_reader"):
        refused = retain(role=role)
        assert (refused.returncode, "for the owner of the database" in refused.stderr) == (1, True)
    assert await months.is_there(months.first)


async def test_a_month_that_is_not_over_is_never_dropped(months: Months) -> None:
    with pytest.raises(Exception, match="not the first day of a month that is over"):
        await months.operator("SELECT billing.drop_month(date_trunc('month', now())::date)")


@pytest.mark.parametrize("keep", ["0", "-1", "many"])
def test_what_is_no_number_of_months_is_refused(
    ledger_database: Postgres, certificates: Certificates, keep: str
) -> None:
    env = environment(certificates, ledger_database, "operator")
    assert run_command(env, "retention", f"--keep-months={keep}").returncode == 2


async def test_three_years_from_now_a_row_lands_in_the_month_that_was_made_for_it(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    """What the service does at its start and daily, as of then and of the years until then."""
    now = datetime.now(UTC)
    then = now + timedelta(days=3 * 365)
    month = "SELECT tableoid::regclass::text AS place FROM billing.event WHERE producer = $1"
    for year in (1, 2, 3):
        moment = now + timedelta(days=year * 365)
        await query(ledger_database, "operator", "SELECT billing.ensure_partitions_at($1)", moment)
    event = usage_event(
        event_id=event_id(unix_ms=int(then.timestamp() * 1000)), started_at=then.isoformat(), producer=producer
    )
    await publish_events(rabbitmq_server, [event])
    await attempts_of(ledger_database, producer, count=1)
    [row] = await query(ledger_database, "operator", month, producer)
    assert row["place"] == f"billing.event_{then:%Y_%m}"
    assert billing.metric("gateway_billing_default_partition_events") == 0
