"""The list of events that lack a cost or a charge: what an import looks at, instead of the whole ledger."""

from dataclasses import asdict
from pathlib import Path

import orjson
import pytest

from gateway_shared.usage_event import UsageEvent
from tests.integration.billing.books import OwnBooks, record
from tests.integration.billing.running_billing import RunningBilling, query, rows_when
from tests.integration.billing.test_months import INSERT_EVENT
from tests.servers import Postgres
from tests.unit.billing.usage_events import event_id


@pytest.fixture
def books(command_env: dict[str, str], tmp_path: Path) -> OwnBooks:
    """Whose prices are not imported yet."""
    return OwnBooks(command_env, tmp_path)


async def is_listed(database: Postgres, event: UsageEvent) -> bool:
    return bool(
        await query(database, "billing_reader", "SELECT FROM billing.unrated WHERE event_id = $1", event.event_id)
    )


async def test_an_event_is_on_the_list_until_it_has_a_cost_and_a_charge(
    books: OwnBooks, ledger_database: Postgres
) -> None:
    lacking, other = books.event(), OwnBooks(books.env, books.folder).event()
    await record(ledger_database, [lacking, other])
    assert await is_listed(ledger_database, lacking)
    assert "1 rated now" in books.import_prices()
    assert not await is_listed(ledger_database, lacking)
    assert await is_listed(ledger_database, other)
    assert "0 rated now" in books.import_prices(output=2 * 10**9)


async def test_a_rated_event_is_never_on_the_list(books: OwnBooks, ledger_database: Postgres) -> None:
    books.import_prices()
    event = books.event()
    await record(ledger_database, [event])
    assert not await is_listed(ledger_database, event)


async def test_what_a_release_without_the_list_recorded_is_rated_once_the_service_starts(
    books: OwnBooks, ledger_database: Postgres, stopped_billing: RunningBilling
) -> None:
    event = books.event(event_id=event_id())
    row = asdict(event)
    row |= row.pop("tokens") | {"received_at": event.started_at}
    await query(ledger_database, "operator", INSERT_EVENT, orjson.dumps(row).decode())
    books.import_prices()
    stopped_billing.start()
    ratings = "SELECT kind FROM billing.rating WHERE event_id = $1 ORDER BY kind"
    rows = await rows_when(ledger_database, ratings, event.event_id, enough=lambda rows: len(rows) == 2)
    assert [row["kind"] for row in rows] == ["charge", "cost"]
