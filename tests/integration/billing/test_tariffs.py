"""Charges: from the first event on, by the tariff in force when it started, and later where they could not be rated."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.billing.books import OwnBooks, ratings, record
from tests.integration.billing.conftest import TARIFFS
from tests.integration.billing.running_billing import (
    RunningBilling,
    attempts_of,
    publish_events,
    query,
    rows_when,
    run_command,
)
from tests.servers import Postgres, RabbitMq
from tests.unit.billing.usage_events import usage_event


@pytest.fixture
def books(command_env: dict[str, str], tmp_path: Path) -> OwnBooks:
    return OwnBooks(command_env, tmp_path)


@pytest.mark.parametrize(
    ("channel", "plan", "nano_usd"),
    [
        ("standard", "standard", 267_000),  # 222,500 x 1.2
        ("langchain", "langchain", 278_125),  # 222,500 x 1.25
        ("langchain", "premium", 244_750),  # 222,500 x 1.1
    ],
)
async def test_an_event_is_charged_by_the_shipped_tariff_in_the_transaction_of_its_cost(
    ledger_database: Postgres, books: OwnBooks, channel: str, plan: str, nano_usd: int
) -> None:
    recorded = await record(ledger_database, [usage_event(tenant_id=books.tenant, channel=channel, plan_id=plan)])
    assert (recorded.inserted, recorded.unpriced, recorded.uncharged) == (1, 0, 0)
    (charge,) = await ratings(ledger_database, books.tenant, "charge")
    (cost,) = await ratings(ledger_database, books.tenant, "cost")
    assert (cost["nano_usd"], cost["tariff_version"]) == (222_500, None)
    assert (charge["nano_usd"], charge["price_version"]) == (nano_usd, cost["price_version"])
    assert charge["tariff_version"] is not None


async def test_the_same_tariffs_again_are_no_new_version(books: OwnBooks) -> None:
    books.import_tariff()
    assert "tariffs, 2026-11-24: version" in books.run("import-tariffs", str(TARIFFS))
    assert "already imported" in books.run("import-tariffs", str(TARIFFS))


async def test_the_tariffs_that_come_with_a_release_never_replace_an_operators_own(books: OwnBooks) -> None:
    books.import_tariff()
    assert "is your own" in books.run("import-tariffs", "--bundled", str(TARIFFS))
    assert "tariffs, 2026-11-24: version" in books.run("import-tariffs", str(TARIFFS))


async def test_a_wrong_tariffs_file_imports_nothing_and_says_what_is_wrong(
    command_env: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "wrong.json").write_text('{"format": "agent-gateway-tariffs/1"}')
    done = run_command(command_env, "import-tariffs", str(TARIFFS), str(tmp_path / "wrong.json"))
    assert done.returncode == 2
    assert '"rules" is not a list' in done.stderr


async def test_an_event_without_a_price_is_uncharged_loudly_and_charged_when_its_price_comes(
    books: OwnBooks, billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    books.import_tariff()
    await publish_events(rabbitmq_server, [books.event(producer=producer)])
    await attempts_of(ledger_database, producer, count=1)
    waiting = await query(
        ledger_database, "billing_reader", "SELECT * FROM billing.uncharged WHERE tenant_id = $1", books.tenant
    )
    assert [row["plan_id"] for row in waiting] == [books.plan]
    assert billing.metric("gateway_billing_uncharged_events_total") >= 1
    assert billing.metric("gateway_billing_uncharged") >= 1
    books.import_prices()  # by this command or, if it is quicker, by the service
    (charge,) = await ratings(ledger_database, books.tenant, "charge")
    assert (charge["nano_usd"], charge["revision"]) == (34_800, 1)  # 29 tokens x 1 USD a million x 1.2


async def test_the_request_after_a_change_of_price_or_tariff_is_rated_by_the_new_one_and_one_in_flight_by_the_old(
    books: OwnBooks, billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    """F15: both events arrive after the change; the service is not started again, nor waited for."""
    books.import_prices()
    books.import_tariff(basis_points=12_000)
    in_flight = books.event(producer=producer, sequence=1)
    books.import_prices(effective_from=None, input=2 * 10**9, output=2 * 10**9)
    books.import_tariff(basis_points=15_000)
    following = books.event(producer=producer, sequence=2)
    await publish_events(rabbitmq_server, [in_flight, following])
    rows = await attempts_of(ledger_database, producer, count=2)
    assert [row["cost_nano_usd"] for row in rows] == [29_000, 58_000]
    assert [row["charge_nano_usd"] for row in rows] == [34_800, 87_000]  # 29,000 x 1.2; 58,000 x 1.5


async def test_a_tariff_in_force_from_later_on_counts_from_then_on(books: OwnBooks, ledger_database: Postgres) -> None:
    books.import_prices()
    now = datetime.now(UTC)
    books.import_tariff(basis_points=12_000, effective_from=(now - timedelta(days=2)).isoformat())
    books.import_tariff(basis_points=20_000, effective_from=(now - timedelta(days=1)).isoformat())
    early = books.event(now - timedelta(hours=36))
    late = books.event(now - timedelta(hours=12))
    await record(ledger_database, [early, late])
    assert [row["nano_usd"] for row in await ratings(ledger_database, books.tenant, "charge")] == [34_800, 58_000]


async def test_the_running_service_takes_a_new_tariff_up_without_an_event(
    books: OwnBooks, billing: RunningBilling, ledger_database: Postgres
) -> None:
    before = billing.metric("gateway_billing_tariff_versions")
    books.import_tariff()
    await rows_when(
        ledger_database, "SELECT 1", enough=lambda _: billing.metric("gateway_billing_tariff_versions") > before
    )
