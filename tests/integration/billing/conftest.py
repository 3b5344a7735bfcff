"""A migrated ledger with prices, and the billing service on it."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from gateway_router.price_export import export_prices
from tests.integration.billing.running_billing import RunningBilling, environment, query, run_command
from tests.integration.billing.statement_month import Month, record_month
from tests.servers import Certificates, Postgres, RabbitMq

PRICES = Path(__file__).parents[3] / "deploy" / "prices"
OVERRIDES, TARIFFS = PRICES / "overrides.json", PRICES / "tariffs.json"


@pytest.fixture(scope="session")
def ledger_database(
    postgres_server: Postgres, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Postgres:
    """Migrated by its owner; prices and tariffs imported with the service's own certificate."""
    migrated = run_command(environment(certificates, postgres_server, "operator"), "migrate")
    assert migrated.returncode == 0, migrated.stderr
    litellm = tmp_path_factory.mktemp("prices") / "litellm.json"
    export_prices(litellm)
    billing = environment(certificates, postgres_server, "billing")
    imported = run_command(billing, "import-prices", str(litellm), str(OVERRIDES))
    assert imported.returncode == 0, imported.stderr
    imported = run_command(billing, "import-tariffs", str(TARIFFS))
    assert imported.returncode == 0, imported.stderr
    return postgres_server


@pytest.fixture
async def tidy_ledger(ledger_database: Postgres) -> None:
    """Without what other tests left in quarantine from nobody and in the default partition: that concerns all."""
    for statement in (
        "DELETE FROM billing.quarantine_resolution USING billing.quarantine AS q"
        " WHERE q.raw_sha256 = quarantine_resolution.raw_sha256 AND q.producer IS NULL",
        "DELETE FROM billing.quarantine WHERE producer IS NULL",
        "DELETE FROM billing.event_default",
        "DELETE FROM billing.rating_default",
    ):
        await query(ledger_database, "operator", statement)


@pytest.fixture
def stopped_billing(
    ledger_database: Postgres, rabbitmq_server: RabbitMq, certificates: Certificates, tmp_path: Path
) -> Iterator[RunningBilling]:
    """The service, not started; ended after the test in any case, and what it has in hand is acknowledged.

    Or the next test's service would get it again.
    """
    env = environment(certificates, ledger_database, "billing") | {"AMQP_URL": rabbitmq_server.url}
    service = RunningBilling(env, tmp_path / "billing.log")
    yield service
    if service.is_running:
        service.end()


@pytest.fixture
def billing(stopped_billing: RunningBilling) -> RunningBilling:
    stopped_billing.start()
    stopped_billing.wait_ready()
    return stopped_billing


@pytest.fixture
def producer() -> str:
    """A router process of this test alone."""
    return f"router/{uuid4().hex}"


@pytest.fixture
async def month(
    certificates: Certificates,
    ledger_database: Postgres,
    billing: RunningBilling,
    rabbitmq_server: RabbitMq,
    producer: str,
    tmp_path: Path,
) -> Month:
    """A tenant's March of 2019, recorded and charged by the running service."""
    env = environment(certificates, ledger_database, "billing")
    return await record_month(ledger_database, rabbitmq_server, env, producer, tmp_path)


@pytest.fixture
def command_env(certificates: Certificates, ledger_database: Postgres) -> dict[str, str]:
    """For the operator's commands, with the service's own certificate."""
    return environment(certificates, ledger_database, "billing")
