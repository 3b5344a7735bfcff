"""End users: pseudonyms in the ledger, names beside it, and an erasure that holds against what is still on its way."""

import subprocess
from collections.abc import Callable

import pytest

from tests.integration.billing.running_billing import (
    RunningBilling,
    attempts_of,
    environment,
    publish_events,
    query,
    run_command,
)
from tests.servers import Certificates, Postgres, RabbitMq
from tests.unit.billing.usage_events import usage_event

NAMES = "SELECT tenant_id, end_user, end_user_name FROM billing.end_user WHERE tenant_id LIKE $1 || '%' ORDER BY 1, 2"

Erase = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def erase(ledger_database: Postgres, certificates: Certificates) -> Erase:
    def run(tenant: str, *whom: str, role: str = "operator") -> "subprocess.CompletedProcess[str]":
        return run_command(environment(certificates, ledger_database, role), "erase", "--tenant", tenant, *whom)

    return run


async def names_of(database: Postgres, tenant: str) -> list[tuple[str | None, ...]]:
    return [tuple(row) for row in await query(database, "billing_reader", NAMES, tenant)]


async def test_an_erased_name_is_gone_its_amounts_stay_and_later_events_do_not_bring_it_back(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str, erase: Erase
) -> None:
    tenant, other = f"t-{producer[7:20]}", f"t-{producer[7:20]}-2"
    bob = {"end_user": "eu_bob", "end_user_name": "bob@example.com"}
    await publish_events(
        rabbitmq_server,
        [
            usage_event(producer=producer, sequence=1, tenant_id=tenant, **bob),
            usage_event(producer=producer, sequence=2, tenant_id=tenant, end_user="eu_eve", end_user_name="eve"),
            usage_event(producer=producer, sequence=3, tenant_id=other, **bob),
            usage_event(producer=producer, sequence=4, tenant_id=other, end_user="eu_private"),
        ],
    )
    before = await attempts_of(ledger_database, producer, count=4)
    assert [row["end_user"] for row in before] == ["eu_bob", "eu_eve", "eu_bob", "eu_private"]
    assert [row["end_user_name"] for row in before] == ["bob@example.com", "eve", "bob@example.com", None]
    assert await names_of(ledger_database, tenant) == [
        (tenant, "eu_bob", "bob@example.com"),
        (tenant, "eu_eve", "eve"),
        (other, "eu_bob", "bob@example.com"),
    ]

    erased = erase(tenant, "--end-user", "bob@example.com")
    assert erased.returncode == 0, erased.stderr
    assert f"erased the name of eu_bob of tenant {tenant}" in erased.stdout

    again = usage_event(producer=producer, sequence=5, tenant_id=tenant, **bob)
    await publish_events(rabbitmq_server, [again])
    after = await attempts_of(ledger_database, producer, count=5)
    assert [row["end_user_name"] for row in after] == [None, "eve", "bob@example.com", None, None]
    assert [{**row, "end_user_name": None} for row in after[:4]] == [{**row, "end_user_name": None} for row in before]
    requests = "SELECT end_user, end_user_name, cost_nano_usd FROM billing.usage WHERE tenant_id = $1 ORDER BY 1, 3"
    assert [tuple(row) for row in await query(ledger_database, "billing_reader", requests, tenant)] == [
        ("eu_bob", None, 222_500),
        ("eu_bob", None, 222_500),
        ("eu_eve", "eve", 222_500),
    ]
    assert await names_of(ledger_database, tenant) == [
        (tenant, "eu_bob", None),
        (tenant, "eu_eve", "eve"),
        (other, "eu_bob", "bob@example.com"),
    ]
    assert erase(tenant, "--end-user", "bob@example.com").returncode == 1


async def test_a_pseudonym_can_be_erased_before_its_first_event_is_recorded(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str, erase: Erase
) -> None:
    tenant = f"t-{producer[7:20]}"
    unknown = erase(tenant, "--end-user", "bob@example.com")
    assert (unknown.returncode, "tenants pseudonym" in unknown.stderr) == (1, True)
    assert erase(tenant, "--pseudonym", "eu_bob").returncode == 0
    named = usage_event(producer=producer, tenant_id=tenant, end_user="eu_bob", end_user_name="bob@example.com")
    await publish_events(rabbitmq_server, [named])
    await attempts_of(ledger_database, producer, count=1)
    assert await names_of(ledger_database, tenant) == [(tenant, "eu_bob", None)]


async def test_only_the_owner_of_the_database_erases(ledger_database: Postgres, erase: Erase) -> None:
    refused = erase("default", "--pseudonym", "eu_bob", role="billing")
    assert (refused.returncode, "for the owner of the database" in refused.stderr) == (1, True)
    assert await names_of(ledger_database, "default") == []


async def test_what_holds_the_name_itself_is_told(ledger_database: Postgres, producer: str, erase: Erase) -> None:
    tenant, name = f"t-{producer[7:20]}", f"bob-{producer[7:20]}"
    await query(
        ledger_database,
        "operator",
        "INSERT INTO billing.quarantine (raw_sha256, raw, error) VALUES ($1, $2, 'not JSON')",
        producer,
        f'{{"end_user_name": "{name}'.encode(),
    )
    told = erase(tenant, "--end-user", name)
    assert "1 rows in quarantine hold the name" in told.stdout
