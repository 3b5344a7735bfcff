"""Rating again: by the books of now, only what differs, and once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway_billing.rerating import Range, rerate
from gateway_shared.usage_event import TokenCounts
from tests.integration.billing.books import OwnBooks, adjustments, billing_pool, ratings, record
from tests.integration.billing.running_billing import run_command
from tests.servers import Postgres

AT = datetime(2026, 6, 15, 12, tzinfo=UTC)
SPAN = ("--from", "2026-06-15", "--to", "2026-06-16")


@pytest.fixture
def books(command_env: dict[str, str], tmp_path: Path) -> OwnBooks:
    own = OwnBooks(command_env, tmp_path)
    own.import_prices()
    return own


async def test_what_has_another_amount_now_gets_a_revision_with_its_reason(
    books: OwnBooks, ledger_database: Postgres
) -> None:
    await record(ledger_database, [books.event(AT)])
    books.import_prices(input=3 * 10**9)
    done = books.run("rerate", *SPAN, "--tenant", books.tenant, "--reason", "the contract of June")
    assert "1 events looked at" in done
    assert "cost: 1 revisions (+18000 nano-USD), 0 adjustments" in done
    assert "charge: 1 revisions (+21600 nano-USD), 0 adjustments" in done
    first, second = await ratings(ledger_database, books.tenant, "cost")
    assert (first["nano_usd"], second["nano_usd"]) == (29_000, 47_000)  # 9 x 1 + 20 x 1; 9 x 3 + 20 x 1
    assert second["revision"] == 2
    assert second["price_version"] > first["price_version"]
    assert second["reason"].endswith("; rated again: the contract of June")
    charges = await ratings(ledger_database, books.tenant, "charge")
    assert [row["nano_usd"] for row in charges] == [34_800, 56_400]  # x 1.2


async def test_a_dry_run_says_the_same_and_writes_nothing(books: OwnBooks, ledger_database: Postgres) -> None:
    await record(ledger_database, [books.event(AT)])
    books.import_prices(input=3 * 10**9)
    done = books.run("rerate", *SPAN, "--tenant", books.tenant, "--reason", "x", "--dry-run")
    assert "cost: 1 revisions (+18000 nano-USD)" in done
    assert "nothing was written" in done
    assert len(await ratings(ledger_database, books.tenant, "cost")) == 1


async def test_only_the_kind_the_tenant_and_the_time_that_were_asked_for(
    books: OwnBooks, ledger_database: Postgres
) -> None:
    other = OwnBooks(books.env, books.folder, model=books.model)
    await record(
        ledger_database,
        [books.event(AT), books.event(AT + timedelta(days=1)), other.event(AT)],
    )
    books.import_prices(input=3 * 10**9)
    done = books.run("rerate", *SPAN, "--tenant", books.tenant, "--kind", "cost", "--reason", "x")
    assert "charge" not in done
    assert [row["revision"] for row in await ratings(ledger_database, books.tenant, "cost")] == [1, 2, 1]
    assert [row["revision"] for row in await ratings(ledger_database, books.tenant, "charge")] == [1, 1]
    assert [row["revision"] for row in await ratings(ledger_database, other.tenant, "cost")] == [1]


async def test_an_amount_that_the_books_of_now_do_not_have_stays(books: OwnBooks, ledger_database: Postgres) -> None:
    await record(ledger_database, [books.event(AT)])
    books.import_prices(input=1, effective_from="2001-01-02T00:00:00Z")
    unknown = OwnBooks(books.env, books.folder)
    await record(ledger_database, [unknown.event(AT, tenant_id=books.tenant)])
    done = books.run("rerate", *SPAN, "--tenant", books.tenant, "--reason", "x")
    assert "2 events looked at, 1 of them without any amount" in done


async def test_more_events_than_a_page_are_all_rated_again(books: OwnBooks, ledger_database: Postgres) -> None:
    await record(ledger_database, [books.event(AT) for _ in range(1501)])
    books.import_prices(output=2 * 10**9)
    done = books.run("rerate", *SPAN, "--tenant", books.tenant, "--reason", "x")
    assert "cost: 1501 revisions (+30020000 nano-USD)" in done  # 1,501 x 20 x 1,000


def test_a_rerating_needs_a_reason(command_env: dict[str, str]) -> None:
    done = run_command(command_env, "rerate", *SPAN)
    assert done.returncode == 2
    assert "--reason" in done.stderr


TOKENS = st.builds(TokenCounts, input_tokens=st.integers(0, 10**6), output_tokens=st.integers(0, 10**6))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TOKENS, st.sampled_from(["settled", "partial", "failed", "unknown"])), max_size=20))
async def test_rating_again_by_the_same_books_writes_nothing(
    books: OwnBooks, ledger_database: Postgres, calls: list[tuple[TokenCounts, str]]
) -> None:
    await record(ledger_database, [books.event(AT, tokens=tokens, status=status) for tokens, status in calls])
    before = await ratings(ledger_database, books.tenant, "charge")
    span = Range(AT, AT + timedelta(seconds=1), books.tenant)
    async with billing_pool(ledger_database) as pool:
        again = await rerate(pool, span, kinds=("cost", "charge"), reason="x")
    assert all(changes.revisions == changes.adjustments == 0 for changes in again.changes.values())
    assert await ratings(ledger_database, books.tenant, "charge") == before
    assert await adjustments(ledger_database, books.tenant) == []
