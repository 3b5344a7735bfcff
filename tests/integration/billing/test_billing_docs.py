"""Every query of docs/billing.md runs for the billing team as it stands there, and every command exists."""

import re
import shlex
from pathlib import Path

import pytest

from tests.integration.billing.running_billing import environment, query, run_command
from tests.servers import Certificates, Postgres

PAGE = (Path(__file__).parents[3] / "docs" / "billing.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
QUERIES = [
    statement.strip()
    for language, block in BLOCKS
    if language == "sql"
    for statement in re.sub(r"^--.*$", "", block, flags=re.MULTILINE).split(";")
    if statement.strip()
]
COMMANDS = [
    shlex.split(line, comments=True)[2:]
    for language, block in BLOCKS
    if language == "sh"
    for line in block.splitlines()
    if line.startswith("gateway billing ")
]


def test_the_page_has_queries_and_commands() -> None:
    assert len(QUERIES) >= 15
    assert {command[0] for command in COMMANDS} >= {"import-prices", "reconcile", "quarantine", "export-month"}


@pytest.mark.parametrize("sql", QUERIES)
async def test_a_query_of_the_page_runs_for_the_billing_team(ledger_database: Postgres, sql: str) -> None:
    await query(ledger_database, "billing_reader", sql)


@pytest.mark.parametrize(
    "command", sorted({tuple(one[:2]) if one[0] == "quarantine" else (one[0],) for one in COMMANDS})
)
def test_a_command_of_the_page_explains_itself(
    certificates: Certificates, ledger_database: Postgres, command: tuple[str, ...]
) -> None:
    done = run_command(environment(certificates, ledger_database, "billing"), *command, "--help")
    assert (done.returncode, done.stdout[:6]) == (0, "usage:")


def test_every_view_that_is_named_exists_and_every_view_is_named() -> None:
    schema = Path(__file__).parents[3] / "services" / "billing" / "gateway_billing" / "schema"
    views = {
        name
        for file in schema.glob("*.sql")
        for name in re.findall(r"^CREATE (?:OR REPLACE )?VIEW (billing\.\w+)", file.read_text(), re.MULTILINE)
    }
    named = set(re.findall(r"billing\.[a-z_0-9]+", PAGE))
    assert views - named <= {
        "billing.current_rating",
        "billing.held_sequence",
        "billing.late_event",
        "billing.producer_progress",
        "billing.tenant_usage",
    }  # fmt: skip - parts of the others, and contracts with other services
