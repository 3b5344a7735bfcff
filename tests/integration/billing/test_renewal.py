"""Connections to the broker and the database are renewed while they are busy; nothing is lost, nothing comes twice."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway_shared.tls import connection_lifetime_s
from tests.integration.billing.running_billing import RunningBilling, attempts_of, environment, publish_events, query
from tests.servers import Certificates, Postgres, RabbitMq
from tests.unit.billing.usage_events import usage_event

AGE_S = 1
SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'gateway-billing'"


async def test_under_load_both_connections_are_renewed_and_nothing_is_delivered_twice(
    ledger_database: Postgres, rabbitmq_server: RabbitMq, certificates: Certificates, producer: str, tmp_path: Path
) -> None:
    env = environment(certificates, ledger_database, "billing") | {
        "AMQP_URL": rabbitmq_server.url,
        "CONNECTION_MAX_AGE_S": str(AGE_S),
    }
    billing = RunningBilling(env, tmp_path / "billing.log")
    billing.start()
    try:
        billing.wait_ready()
        before = logins(rabbitmq_server)
        sessions = set()
        sequence = 0
        for _ in range(12):
            numbers = range(sequence + 1, sequence + 101)
            await publish_events(rabbitmq_server, [usage_event(producer=producer, sequence=n) for n in numbers])
            sequence += 100
            sessions |= {row["pid"] for row in await query(ledger_database, "billing", SESSIONS)}
            await asyncio.sleep(AGE_S / 2)
        rows = await attempts_of(ledger_database, producer, count=sequence)
        assert [row["sequence"] for row in rows] == list(range(1, sequence + 1))
        assert billing.metric('gateway_billing_events_total{result="duplicate"}') == 0
        assert logins(rabbitmq_server) - before >= 3
        assert len(sessions) >= 3
        assert billing.metric('gateway_billing_pauses_total{reason="error"}') == 0
    finally:
        billing.end()


def logins(server: RabbitMq) -> int:
    return server.log.read_text().count("user 'billing' authenticated")


@pytest.mark.parametrize(("left_s", "expected_s"), [(86_400, 600), (100, 50), (-5, 1)])
def test_a_connection_is_kept_for_half_of_what_the_leaf_has_left_at_most(
    certificates: Certificates, left_s: float, expected_s: float
) -> None:
    profile = certificates.profile("billing")
    until = datetime.now(UTC) + timedelta(seconds=left_s)
    files = certificates.issue_odd(f"leaf-{left_s}", replace(profile, not_after=until))
    assert connection_lifetime_s(files, longest_s=600) == pytest.approx(expected_s, abs=0.9)
