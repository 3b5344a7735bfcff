"""What comes after a month was closed is on the current month's statement, in every view, and not in the closed one."""

import csv
from datetime import UTC, datetime
from pathlib import Path

from tests.integration.billing.running_billing import attempts_of, publish_events, run_command
from tests.integration.billing.statement_month import MARCH, Month
from tests.integration.billing.test_statement import COST_NANO_USD, DISCOUNT_NANO_USD, LINES, LIST_NANO_USD
from tests.servers import RabbitMq
from tests.unit.billing.usage_events import usage_event


async def test_what_comes_after_the_close_is_on_the_current_month_s_statement_in_every_view(
    month: Month, rabbitmq_server: RabbitMq, producer: str, tmp_path: Path
) -> None:
    close = ("close-month", "--month", "2019-03", "--tenant", month.tenant, "--force-incomplete")
    closed = run_command(month.env, *close)
    assert closed.returncode == 0, closed.stderr
    late = usage_event(
        tenant_id=month.tenant, producer=producer, sequence=13, plan_id="basic", started_at="2019-03-18T00:00:00Z"
    )
    await publish_events(rabbitmq_server, [late])
    await attempts_of(month.database, producer, count=13)

    lines = await month.rows("statement", "line")
    assert [(line["nano_usd"], line["is_closed"]) for line in lines] == [(line["nano_usd"], True) for line in LINES]
    details = await month.rows("statement_usage", "1")
    assert sum(row["list_nano_usd"] for row in details) == LIST_NANO_USD
    assert sum(row["attempts"] for row in details) == 9
    (booked,) = await month.rows("margin_monthly", "1")
    assert booked["cost_nano_usd"] == COST_NANO_USD
    assert booked["charge_nano_usd"] == LIST_NANO_USD - DISCOUNT_NANO_USD

    now = f"{datetime.now(UTC):%Y-%m-01}"
    (line,) = await month.rows("statement", "line", now)
    assert (line["item"], line["events"], line["nano_usd"]) == ("adjustment", 1, 267_000)
    assert (line["description"], str(line["month_adjusted"])) == ("adjustment of 2019-03", MARCH)
    (total,) = await month.rows("statement_total", "1", now)
    assert (total["adjustment_nano_usd"], total["nano_usd"]) == (267_000, 267_000)
    (booked,) = await month.rows("margin_monthly", "1", now)
    assert (booked["cost_nano_usd"], booked["charge_nano_usd"]) == (222_500, 267_000)

    file = tmp_path / "calls.csv"
    export = ("export-month", "--month", "2019-03", "--tenant", month.tenant, "--output", str(file))
    assert run_command(month.env, *export).returncode == 0
    with file.open(newline="") as text:
        rows = [(row["booked_as"], int(row["charge_nano_usd"])) for row in csv.DictReader(text)]
    assert sum(charge for booked_as, charge in rows if booked_as == "usage") == LIST_NANO_USD
    assert [charge for booked_as, charge in rows if booked_as == "adjustment"] == [267_000]
