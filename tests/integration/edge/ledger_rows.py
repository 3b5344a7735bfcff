"""Rows of the ledger for the edge's tests, put in by the owner of the database."""

from dataclasses import asdict
from typing import Any

import orjson

from gateway_shared import migrations
from tests.integration.edge.running_edge import as_operator
from tests.servers import Postgres
from tests.unit.billing.usage_events import event_id, usage_event

_INSERT_EVENT = "INSERT INTO billing.event SELECT * FROM jsonb_populate_record(NULL::billing.event, $1::jsonb)"
_INSERT_RATING = (
    "INSERT INTO billing.rating (event_id, kind, revision, tenant_id, nano_usd, reason)"
    " VALUES ($1, $2, $3, $4, $5, 'test')"
)


async def migrate_ledger(server: Postgres) -> None:
    async with as_operator(server) as connection:
        await migrations.migrate(connection, schema="billing", package="gateway_billing")


async def record(
    server: Postgres, *, started_at: str, unix_ms: int, cost: int = 1, charges: tuple[int, ...] = (), **changes: Any
) -> None:
    """One event as billing writes it, with its cost, and `charges` as revisions, all in nano-USD."""
    event = usage_event(event_id=event_id(unix_ms=unix_ms), started_at=started_at, **changes)
    row = asdict(event)
    row |= row.pop("tokens") | {"received_at": started_at}
    async with as_operator(server) as connection, connection.transaction():
        await connection.execute(_INSERT_EVENT, orjson.dumps(row).decode())
        await connection.execute(_INSERT_RATING, event.event_id, "cost", 1, event.tenant_id, cost)
        for revision, nano_usd in enumerate(charges, start=1):
            await connection.execute(_INSERT_RATING, event.event_id, "charge", revision, event.tenant_id, nano_usd)
