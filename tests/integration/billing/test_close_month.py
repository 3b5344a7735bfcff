"""Closed months: refused while anything is open, kept as they are after it, and adjusted in the current month."""

from datetime import UTC, date, datetime
from pathlib import Path

import asyncpg
import orjson
import pytest

from tests.integration.billing.books import OwnBooks, adjustments, ratings, record
from tests.integration.billing.running_billing import query, run_command
from tests.servers import Postgres

AUGUST = datetime(2026, 8, 15, 12, tzinfo=UTC)
CLOSE = ("close-month", "--month", "2026-08", "--force-incomplete")


@pytest.fixture
def books(command_env: dict[str, str], tmp_path: Path) -> OwnBooks:
    own = OwnBooks(command_env, tmp_path)
    own.import_prices()
    return own


def this_month() -> date:
    return datetime.now(UTC).date().replace(day=1)


async def closed(database: Postgres, tenant: str | None, month: str = "2026-08-01") -> list[asyncpg.Record]:
    return await query(
        database,
        "billing_reader",
        "SELECT * FROM billing.closed_month WHERE tenant_id IS NOT DISTINCT FROM $1 AND month = $2::text::date",
        tenant,
        month,
    )


async def statement(database: Postgres, tenant: str, month: date) -> list[asyncpg.Record]:
    return await query(
        database,
        "billing_reader",
        "SELECT * FROM billing.statement WHERE tenant_id = $1 AND month = $2 ORDER BY line",
        tenant,
        month,
    )


async def test_a_closed_month_has_its_totals_and_its_statement_stays_as_it_was(
    books: OwnBooks, ledger_database: Postgres
) -> None:
    await record(ledger_database, [books.event(AUGUST), books.event(AUGUST)])
    before = await statement(ledger_database, books.tenant, AUGUST.date().replace(day=1))
    assert f"2026-08 is closed for tenant {books.tenant}" in books.run(*CLOSE, "--tenant", books.tenant)
    (month,) = await closed(ledger_database, books.tenant)
    assert (month["events"], month["cost_nano_usd"], month["charge_nano_usd"]) == (2, 58_000, 69_600)
    assert (month["unpriced_events"], month["uncharged_events"]) == (0, 0)
    after = await statement(ledger_database, books.tenant, AUGUST.date().replace(day=1))
    assert [row["is_closed"] for row in after] == [True]
    assert [(row["events"], row["nano_usd"]) for row in after] == [(2, 69_600)]
    kept = [name for name in after[0].keys() if name != "is_closed"]  # noqa: SIM118 - a record iterates its values
    assert [[row[name] for name in kept] for row in after] == [[row[name] for name in kept] for row in before]


async def test_rating_a_closed_month_again_makes_one_adjustment_and_none_the_second_time(
    books: OwnBooks, ledger_database: Postgres
) -> None:
    await record(ledger_database, [books.event(AUGUST)])
    books.run(*CLOSE, "--tenant", books.tenant)
    rerate = ("rerate", "--from", "2026-08-01", "--to", "2026-09-01", "--tenant", books.tenant, "--reason", "a mistake")
    books.import_prices(output=2 * 10**9)
    done = books.run(*rerate)
    assert "charge: 0 revisions (+0 nano-USD), 1 adjustments of closed months (+24000 nano-USD)" in done
    assert "charge: 0 revisions (+0 nano-USD), 0 adjustments" in books.run(*rerate)
    books.import_prices(output=5 * 10**8)
    books.run(*rerate)
    assert [row["revision"] for row in await ratings(ledger_database, books.tenant, "charge")] == [1]
    made = [row for row in await adjustments(ledger_database, books.tenant) if row["kind"] == "charge"]
    # 34,800 first; (9 + 20 x 2) x 1.2 = 58,800, which is 24,000 more; (9 + 20 x 0.5) x 1.2 = 22,800, 36,000 less
    assert [(row["number"], row["nano_usd"], row["cause"]) for row in made] == [
        (1, 24_000, "rerating"),
        (2, -36_000, "rerating"),
    ]
    assert {(row["month_adjusted"], row["month_booked"]) for row in made} == {(date(2026, 8, 1), this_month())}
    assert "rated again: a mistake" in made[0]["reason"]
    (line,) = await statement(ledger_database, books.tenant, this_month())
    assert (line["item"], line["nano_usd"], line["month_adjusted"]) == ("adjustment", -12_000, date(2026, 8, 1))


async def test_an_event_that_comes_after_the_close_is_an_adjustment_of_the_current_month(
    books: OwnBooks, ledger_database: Postgres
) -> None:
    await record(ledger_database, [books.event(AUGUST)])
    books.run(*CLOSE, "--tenant", books.tenant)
    frozen = await statement(ledger_database, books.tenant, date(2026, 8, 1))
    late = books.event(AUGUST)
    recorded = await record(ledger_database, [late])
    again = await record(ledger_database, [late])
    assert (recorded.inserted, again.duplicate) == (1, 1)
    made = await adjustments(ledger_database, books.tenant)
    assert [(row["kind"], row["nano_usd"], row["cause"]) for row in made] == [
        ("charge", 34_800, "late_event"),
        ("cost", 29_000, "late_event"),
    ]
    assert await statement(ledger_database, books.tenant, date(2026, 8, 1)) == frozen
    (line,) = await statement(ledger_database, books.tenant, this_month())
    assert line["nano_usd"] == 34_800
    rerate = ("rerate", "--from", "2026-08-01", "--to", "2026-09-01", "--tenant", books.tenant, "--reason", "x")
    assert "charge: 0 revisions (+0 nano-USD), 0 adjustments" in books.run(*rerate)


async def test_an_event_that_came_after_the_close_is_called_late_whenever_it_is_rated(
    command_env: dict[str, str], tmp_path: Path, ledger_database: Postgres
) -> None:
    books = OwnBooks(command_env, tmp_path)
    books.run(*CLOSE, "--tenant", books.tenant)
    await record(ledger_database, [books.event(AUGUST)])
    assert await adjustments(ledger_database, books.tenant) == []
    usage = "SELECT * FROM billing.statement_usage WHERE tenant_id = $1"
    assert await query(ledger_database, "billing_reader", usage, books.tenant) == []
    books.import_prices()
    made = await adjustments(ledger_database, books.tenant)
    assert [(row["kind"], row["nano_usd"], row["cause"]) for row in made] == [
        ("charge", 34_800, "late_event"),
        ("cost", 29_000, "late_event"),
    ]
    assert await query(ledger_database, "billing_reader", usage, books.tenant) == []


async def test_an_event_of_another_tenant_or_month_is_no_adjustment(books: OwnBooks, ledger_database: Postgres) -> None:
    other = OwnBooks(books.env, books.folder, model=books.model)
    books.run(*CLOSE, "--tenant", books.tenant)
    july = AUGUST.replace(month=7)
    await record(ledger_database, [other.event(AUGUST), books.event(july)])
    assert await adjustments(ledger_database, other.tenant) == []
    assert await adjustments(ledger_database, books.tenant) == []
    assert (await closed(ledger_database, books.tenant))[0]["events"] == 0


async def test_a_month_stays_open_while_an_event_has_no_cost_and_says_which_model(
    command_env: dict[str, str], tmp_path: Path, ledger_database: Postgres
) -> None:
    books = OwnBooks(command_env, tmp_path)
    await record(ledger_database, [books.event(AUGUST)])
    done = run_command(command_env, *CLOSE, "--tenant", books.tenant)
    assert done.returncode == 1
    assert f"1 without a cost: openai/{books.model}" in done.stderr
    assert f"1 without a charge: channel standard, plan {books.plan}" in done.stderr
    assert await closed(ledger_database, books.tenant) == []

    forced = books.run(*CLOSE, "--tenant", books.tenant, "--force-unpriced")
    assert f"passed over: 1 without a cost: openai/{books.model}" in forced
    (month,) = await closed(ledger_database, books.tenant)
    assert (month["events"], month["unpriced_events"], month["charge_nano_usd"]) == (1, 1, 0)
    assert books.model in month["note"]
    books.import_prices()
    made = await adjustments(ledger_database, books.tenant)
    assert [(row["kind"], row["nano_usd"], row["cause"]) for row in made] == [
        ("charge", 34_800, "late_rating"),
        ("cost", 29_000, "late_rating"),
    ]


async def test_a_month_stays_open_while_an_event_is_missing(books: OwnBooks, ledger_database: Postgres) -> None:
    events = [books.event(AUGUST, sequence=number, producer=f"router/{books.model}") for number in (1, 2, 5)]
    await record(ledger_database, events)
    done = run_command(books.env, "close-month", "--month", "2026-08", "--tenant", books.tenant)
    assert done.returncode == 1
    assert f"2 missing: router/{books.model}, numbers 3 to 4" in done.stderr
    for month in ("2026-07", "2026-09"):  # the held ones beside them are of August
        other = run_command(books.env, "close-month", "--month", month, "--tenant", books.tenant)
        assert f"router/{books.model}" not in other.stderr


async def test_a_month_stays_open_while_an_event_of_it_is_in_quarantine(
    books: OwnBooks, ledger_database: Postgres
) -> None:
    for month in (8, 9):
        raw = orjson.dumps({"tenant_id": books.tenant, "started_at": f"2026-{month:02}-15T12:00:00Z"})
        await query(
            ledger_database,
            "billing",
            "INSERT INTO billing.quarantine (raw_sha256, raw, error, tenant_id, producer)"
            " VALUES (encode(sha256($1), 'hex'), $1, 'bad', $2, $3)",
            raw,
            books.tenant,
            f"router/{books.model}",
        )
    done = run_command(books.env, "close-month", "--month", "2026-08", "--tenant", books.tenant)
    assert done.stderr.count(", bad\n") == 1
    assert "1 quarantined" in done.stderr
    assert "quarantined" in books.run(*CLOSE, "--tenant", books.tenant)
    assert "bad" in (await closed(ledger_database, books.tenant))[0]["note"]
    await query(
        ledger_database,
        "billing",
        "INSERT INTO billing.quarantine_resolution (raw_sha256, resolution, note)"
        " SELECT raw_sha256, 'dismissed', 'a test' FROM billing.quarantine_open WHERE tenant_id = $1",
        books.tenant,
    )


async def test_a_month_is_closed_once_and_not_before_it_is_over(books: OwnBooks) -> None:
    books.run(*CLOSE, "--tenant", books.tenant)
    again = run_command(books.env, *CLOSE, "--tenant", books.tenant)
    assert (again.returncode, "closed already" in again.stderr) == (1, True)
    month = this_month().strftime("%Y-%m")
    early = run_command(
        books.env, "close-month", "--month", month, "--force-incomplete", "--force-unpriced", "--tenant", books.tenant
    )
    assert (early.returncode, "is not over" in early.stderr) == (1, True)


async def test_the_whole_ledger_is_closed_for_every_tenant_those_unheard_of_too(
    books: OwnBooks, ledger_database: Postgres
) -> None:
    march = datetime(2020, 3, 5, tzinfo=UTC)
    books.import_tariff(effective_from="2020-01-01T00:00:00Z")
    other = OwnBooks(books.env, books.folder, model=books.model)
    unheard_of = OwnBooks(books.env, books.folder, model=books.model)
    await record(ledger_database, [books.event(march), other.event(march)])
    close = ("close-month", "--month", "2020-03", "--force-incomplete")
    books.run(*close, "--tenant", books.tenant)
    assert "closed for all tenants" in books.run(*close)
    (whole,) = await closed(ledger_database, None, "2020-03-01")
    assert (whole["events"], whole["cost_nano_usd"], whole["charge_nano_usd"]) == (2, 58_000, 69_600)
    for tenant in (books.tenant, other.tenant):
        (one,) = await closed(ledger_database, tenant, "2020-03-01")
        assert one["events"] == 1
    assert (await closed(ledger_database, unheard_of.tenant, "2020-03-01")) == []
    await record(ledger_database, [unheard_of.event(march)])
    assert len(await adjustments(ledger_database, unheard_of.tenant)) == 2
    (line,) = await statement(ledger_database, unheard_of.tenant, this_month())
    assert line["nano_usd"] == 34_800
