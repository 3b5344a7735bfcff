"""A month as CSV: what the views hold, in one order, whatever is in the fields."""

import csv
import io
from pathlib import Path

import pytest

from tests.integration.billing.running_billing import attempts_of, environment, publish_events, run_command
from tests.integration.billing.statement_month import Month
from tests.integration.billing.test_statement import LINES, LIST_NANO_USD
from tests.servers import Certificates, Postgres, RabbitMq
from tests.unit.billing.usage_events import usage_event


def records(file: Path) -> list[dict[str, str]]:
    """As a strict reader of RFC 4180 takes them."""
    text = file.read_bytes().decode()
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


async def test_the_exports_hold_the_same_as_the_views_in_one_order(month: Month, tmp_path: Path) -> None:
    files = {}
    for lines in ("attempts", "usage", "statement"):
        for turn in (1, 2):
            file = tmp_path / f"{lines}-{turn}.csv"
            what = ("--month", "2019-03", "--tenant", month.tenant, "--lines", lines, "--output", str(file))
            done = run_command(month.env, "export-month", *what)
            assert done.returncode == 0, done.stderr
        assert file.read_bytes() == (tmp_path / f"{lines}-1.csv").read_bytes()
        assert file.read_bytes().endswith(b"\r\n")
        files[lines] = records(file)
        assert run_command(month.env, "export-month", *what[:-1], "-").stdout == file.read_text()
    assert [int(row["nano_usd"]) for row in files["statement"]] == [line["nano_usd"] for line in LINES]
    assert sum(int(row["list_nano_usd"]) for row in files["usage"]) == LIST_NANO_USD
    assert len(files["attempts"]) == 9
    assert sum(int(row["charge_nano_usd"]) for row in files["attempts"]) == LIST_NANO_USD
    assert {row["booked_as"] for row in files["attempts"]} == {"usage"}
    assert [row["event_id"] for row in files["attempts"]] == sorted(row["event_id"] for row in files["attempts"])
    assert files["attempts"][0]["started_at"].endswith("Z")


async def test_an_export_of_all_tenants_takes_text_as_it_is(
    month: Month, rabbitmq_server: RabbitMq, producer: str, tmp_path: Path
) -> None:
    name = 'a "model",\nwith ends'
    odd = usage_event(
        tenant_id=month.tenant,
        producer=producer,
        sequence=14,
        started_at="2019-03-17T00:00:00Z",
        model_requested=name,
        agent_run_id="",
    )
    await publish_events(rabbitmq_server, [odd])
    await attempts_of(month.database, producer, count=13)
    file = tmp_path / "all.csv"
    assert run_command(month.env, "export-month", "--month", "2019-03", "--output", str(file)).returncode == 0
    rows = records(file)
    assert [row["model_requested"] for row in rows if row["request_id"] == odd.request_id] == [name]
    assert {month.tenant, f"{month.tenant}-other"} <= {row["tenant_id"] for row in rows}


@pytest.mark.parametrize("arguments", [("--month", "2019-13"), ("--month", "March"), ()])
def test_an_export_of_no_month_is_refused(
    certificates: Certificates, ledger_database: Postgres, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    env = environment(certificates, ledger_database, "billing")
    done = run_command(env, "export-month", *arguments, "--output", str(tmp_path / "x.csv"))
    assert (done.returncode, "usage:" in done.stderr) == (2, True)


def test_an_export_that_cannot_be_written_says_so_and_leaves_nothing(
    certificates: Certificates, ledger_database: Postgres
) -> None:
    env = environment(certificates, ledger_database, "billing")
    done = run_command(env, "export-month", "--month", "2019-03", "--output", "/dev/full/x.csv")
    assert (done.returncode, "not written" in done.stderr, "Traceback" in done.stderr) == (1, True, False)


def test_an_export_without_a_database_leaves_no_file(
    certificates: Certificates, ledger_database: Postgres, tmp_path: Path
) -> None:
    env = environment(certificates, ledger_database, "billing") | {
        "POSTGRES_DSN": "postgresql://billing@localhost:1/gateway"
    }
    done = run_command(env, "export-month", "--month", "2019-03", "--output", str(tmp_path / "x.csv"))
    assert (done.returncode, "database cannot be reached" in done.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []
