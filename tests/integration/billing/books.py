"""Prices and tariffs of a test's own: a model, a plan and a tenant that no other test has."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import orjson

from gateway_billing.book_keeper import BookKeeper
from gateway_billing.database import Pool
from gateway_billing.ledger import Ledger, Recorded
from gateway_billing.message import MessageContent
from gateway_billing.received_event import read_event
from gateway_shared import postgres
from gateway_shared.usage_event import UsageEvent
from tests.integration.billing.conftest import TARIFFS
from tests.integration.billing.running_billing import query, run_command
from tests.servers import Postgres
from tests.unit.billing.tariffs import rule, tariff_content
from tests.unit.billing.usage_events import event_id, usage_event

YEAR_2001 = "2001-01-01T00:00:00Z"


@dataclass
class OwnBooks:
    """A price book of one model; a plan that only tariffs of this test know, on top of the shipped ones."""

    env: dict[str, str]
    folder: Path
    model: str = field(default_factory=lambda: f"model-{uuid4().hex}")
    plan: str = field(default_factory=lambda: f"plan-{uuid4().hex}")
    tenant: str = field(default_factory=lambda: f"tenant-{uuid4().hex}")

    def import_prices(self, *options: str, effective_from: str | None = YEAR_2001, **nano_usd_per_million: int) -> str:
        """What was printed."""
        return self.run("import-prices", *options, str(self.price_file(effective_from, **nano_usd_per_million)))

    def price_file(self, effective_from: str | None, **nano_usd_per_million: int) -> Path:
        """Rates by kind of token, input and output at 1 USD unless they are given."""
        rates = {"input": 10**9, "output": 10**9} | nano_usd_per_million
        content = {
            "format": "agent-gateway-prices/1",
            "book": f"book-{self.model}",
            "precedence": 200,
            "source": "a test",
            "source_version": "1",
            "effective_from": effective_from,
            "models": [
                {"provider": "openai", "model": self.model, "source": "a test", "rates": {"standard": {"0": rates}}}
            ],
        }
        return self._file(content)

    def import_tariff(
        self,
        *,
        basis_points: int = 12_000,
        effective_from: str | None = None,
        volume_tiers: list[dict[str, Any]] | None = None,
    ) -> str:
        """The shipped rules and one for the plan, from 2026 on as they are."""
        content = tariff_content(
            *orjson.loads(TARIFFS.read_bytes())["rules"],
            rule("standard", self.plan, rates={"*": {"markup_bp": basis_points}}),
            volume_tiers=volume_tiers,
            effective_from=effective_from,
            source_version=uuid4().hex,
        )
        return self.run("import-tariffs", str(self._file(content)))

    def run(self, *arguments: str) -> str:
        """What a command printed that succeeded."""
        done = run_command(self.env, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def event(self, started_at: datetime | None = None, **changes: Any) -> UsageEvent:
        """9 tokens in, 20 out, of the model, in the plan, of the tenant."""
        if started_at is not None:
            changes |= {
                "started_at": started_at.isoformat(),
                "event_id": event_id(unix_ms=int(started_at.timestamp() * 1000)),
            }
        changes = {"model_served": self.model, "model_upstream": self.model, "plan_id": self.plan} | changes
        return usage_event(**{"tenant_id": self.tenant, "producer": f"router/{uuid4().hex}"} | changes)

    def _file(self, content: dict[str, Any]) -> Path:
        path = self.folder / f"{uuid4().hex}.json"
        path.write_bytes(orjson.dumps(content))
        return path


@asynccontextmanager
async def billing_pool(database: Postgres) -> AsyncIterator[Pool]:
    files = database.tls_files("billing")
    async with await postgres.create_pool(database.dsn("billing"), files, application_name="test") as pool:
        yield pool


async def record(database: Postgres, events: Sequence[UsageEvent]) -> Recorded:
    """As the service does, without a queue; in months that have a partition."""
    for month in {datetime.fromisoformat(event.started_at).date().replace(day=1) for event in events}:
        await query(database, "operator", "SELECT billing.create_partitions($1, 1)", month)
    async with billing_pool(database) as pool:
        keeper = BookKeeper(pool)
        await keeper.load_once()
        content = MessageContent(events=[read_event(event.to_json()) for event in events])
        return await Ledger(pool).record(content, keeper)


async def ratings(database: Postgres, tenant: str, kind: str) -> list[asyncpg.Record]:
    """All revisions, oldest first."""
    return await query(
        database,
        "billing_reader",
        "SELECT event_id, revision, nano_usd, price_version, tariff_version, reason FROM billing.rating"
        " WHERE tenant_id = $1 AND kind = $2 ORDER BY event_id, revision",
        tenant,
        kind,
    )


async def adjustments(database: Postgres, tenant: str) -> list[asyncpg.Record]:
    return await query(
        database,
        "billing_reader",
        "SELECT * FROM billing.adjustment WHERE tenant_id = $1 ORDER BY event_id, kind, number",
        tenant,
    )
