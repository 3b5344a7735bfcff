"""A tenant's month that goes through both channels, two plans and two volume tiers.

In 2019, so that the tariff made for it counts for nothing else.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import orjson

from gateway_shared.usage_event import TokenCounts, UsageEvent
from tests.integration.billing.running_billing import attempts_of, publish_events, query, run_command
from tests.servers import Postgres, RabbitMq
from tests.unit.billing.usage_events import usage_event

MARCH = "2019-03-01"
POLICIES = {"partial": "full", "failed": "at_cost", "unknown": "free", "estimated": "at_cost"}
TARIFF = {
    "format": "agent-gateway-tariffs/1",
    "source": "a test",
    "source_version": "statement",
    "effective_from": "2019-01-01T00:00:00Z",
    "rules": [
        {"channel": channel, "plan": plan, "rates": rates, "policies": POLICIES}
        for channel, plan, rates in (
            ("standard", "*", {"*": {"markup_bp": 12_000}}),
            ("langchain", "*", {"*": {"markup_bp": 12_500}, "cached_input": {"markup_bp": 10_000}}),
            ("langchain", "premium", {"*": {"markup_bp": 11_000}}),
            (
                "standard",
                "premium",
                {
                    "*": {"markup_bp": 11_000},
                    "input": {"nano_usd_per_million_tokens": 3_000_000_000},
                    "output": {"nano_usd_per_million_tokens": 12_000_000_000},
                },
            ),
        )
    ],
    "volume_tiers": [
        {
            "channel": "*",
            "plan": "premium",
            "tiers": [
                {"above_tokens": 1_000_000, "discount_bp": 500},
                {"above_tokens": 2_000_000, "discount_bp": 1000},
            ],
        }
    ],
}


@dataclass(frozen=True)
class Month:
    """A tenant's events of March 2019, recorded and charged."""

    database: Postgres
    env: dict[str, str]
    tenant: str
    events: list[UsageEvent]

    async def rows(self, view: str, order: str, month: str = MARCH) -> list[asyncpg.Record]:
        return await query(
            self.database,
            "billing_reader",
            f"SELECT * FROM billing.{view} WHERE tenant_id = $1 AND month = '{month}' ORDER BY {order}",
            self.tenant,
        )


def events_of(tenant: str, producer: str) -> list[UsageEvent]:
    def event(channel: str, plan: str, day: str, **changes: Any) -> UsageEvent:
        return usage_event(
            tenant_id=tenant, producer=producer, channel=channel, plan_id=plan, started_at=f"{day}Z", **changes
        )

    big = {
        "price_provider": "anthropic",
        "provider": "anthropic",
        "model_upstream": "claude-sonnet-4-5",
        "model_served": "claude-sonnet-4-5-20250929",
        "service_tier": "standard",
        "tokens": TokenCounts(input_tokens=900_000, output_tokens=50_000),
    }
    cached = TokenCounts(input_tokens=2006, cached_input_tokens=1920, output_tokens=300)
    nothing = {"status": "failed", "finish_state": "upstream_error", "usage_source": "none", "tokens": TokenCounts()}
    return [
        event("standard", "basic", "2019-03-01T00:00:00", sequence=1),
        event("standard", "basic", "2019-03-31T23:59:59.999999", sequence=2),
        event("standard", "basic", "2019-03-05T00:00:00", sequence=3, is_final=False, **nothing),
        event("langchain", "basic", "2019-03-07T12:00:00", sequence=4, tokens=cached),
        event("langchain", "premium", "2019-03-10T00:00:00", sequence=5, **big),
        event("langchain", "premium", "2019-03-11T00:00:00", sequence=6, **big),
        event("langchain", "premium", "2019-03-12T00:00:00", sequence=7, **big),
        event("langchain", "premium", "2019-03-12T01:00:00", sequence=8),
        event(
            "standard",
            "premium",
            "2019-03-20T00:00:00",
            sequence=9,
            tokens=TokenCounts(input_tokens=1000, output_tokens=500),
        ),
        # the neighbouring months, and another tenant: on no line of this statement
        event("standard", "basic", "2019-02-28T23:59:59.999999", sequence=10),
        event("standard", "basic", "2019-04-01T00:00:00", sequence=11),
        usage_event(
            tenant_id=f"{tenant}-other",
            producer=producer,
            sequence=12,
            plan_id="basic",
            started_at="2019-03-15T00:00:00Z",
        ),
    ]


async def record_month(database: Postgres, broker: RabbitMq, env: dict[str, str], producer: str, folder: Path) -> Month:
    """Imports the tariff and has the running service record the events."""
    file = folder / "tariffs.json"
    file.write_bytes(orjson.dumps(TARIFF))
    imported = run_command(env, "import-tariffs", str(file))
    assert imported.returncode == 0, imported.stderr
    tenant = f"acme-{uuid4().hex}"
    events = events_of(tenant, producer)
    await publish_events(broker, events)
    await attempts_of(database, producer, count=len(events))
    return Month(database, env, tenant, events)
