"""A tenant's figures in Postgres, through billing's contract function `billing.tenant_usage`.

Its pool is apart from that of the grants, and a tenant has one query at a time in it: figures that are slow to add up
hold up neither authentication nor other tenants' figures.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any
from weakref import WeakValueDictionary

import asyncpg

from gateway_edge.grant_store import DATABASE_ERRORS
from gateway_edge.usage_query import FILTERS, UsageQuery
from gateway_shared import canonical_log
from gateway_shared.errors import DatabaseUnavailable

POOL_SIZE = 2
TURN_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = STATEMENT_TIMEOUT_S + 1.0
"""For a server that does not even keep its own timeout: then the connection is cut."""

_TENANT_USAGE = (files("gateway_edge") / "sql" / "tenant_usage.sql").read_text()
_SET_TIMEOUT = "SELECT set_config('statement_timeout', $1, true)"


class UsageTooSlow(DatabaseUnavailable):
    """The same question can be too much again: the client is told what to change."""

    default_message = (
        f"The figures could not be added up within {STATEMENT_TIMEOUT_S:.0f} s. Ask for fewer buckets or with a filter."
    )


class UsageStore:
    """Reads through `pool`; the role needs EXECUTE on `billing.tenant_usage` and nothing else."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def read(self, tenant_id: str, query: UsageQuery, *, max_rows: int) -> list[dict[str, Any]]:
        """What `query`'s page holds of that tenant, by bucket. Raises DatabaseUnavailable, UsageTooSlow."""
        buckets = query.buckets()
        arguments = (
            tenant_id,
            buckets[0].start_s,
            buckets[-1].end_s,
            query.width_s,
            query.group_by,
            *(query.filters[name] for name in FILTERS),
            max_rows,
        )
        try:
            async with self._turn(tenant_id), self._borrowed() as connection, connection.transaction(readonly=True):
                await connection.execute(_SET_TIMEOUT, str(int(STATEMENT_TIMEOUT_S * 1_000)))
                return [dict(row) for row in await connection.fetch(_TENANT_USAGE, *arguments)]
        except asyncpg.QueryCanceledError as error:
            canonical_log.warning("usage query too slow", tenant_id=tenant_id)
            raise UsageTooSlow from error
        except DATABASE_ERRORS as error:
            canonical_log.exception("usage query failed", error)
            raise DatabaseUnavailable(retry_after_s=1.0) from error

    @asynccontextmanager
    async def _turn(self, tenant_id: str) -> AsyncIterator[None]:
        turn = self._turns.setdefault(tenant_id, asyncio.Lock())
        async with asyncio.timeout(TURN_TIMEOUT_S):
            await turn.acquire()
        try:
            yield
        finally:
            turn.release()

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
        async with self._pool.acquire(timeout=TURN_TIMEOUT_S) as connection:
            watchdog = asyncio.get_running_loop().call_later(ANSWER_TIMEOUT_S, connection.terminate)
            try:
                yield connection
            finally:
                watchdog.cancel()
