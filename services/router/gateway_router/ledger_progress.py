"""What the ledger holds of each producer, from billing's contract view `billing.producer_progress`."""

from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files

import asyncpg

from gateway_shared.errors import DatabaseUnavailable

LedgerProgress = Callable[[Sequence[str]], Awaitable[dict[str, int]]]
"""Producers -> for each that is known, the sequence up to which the ledger has everything."""

_QUERY = (files("gateway_router") / "sql" / "producer_progress.sql").read_text()
TIMEOUT_S = 5.0


def ledger_progress(pool: asyncpg.Pool) -> LedgerProgress:
    """Raises DatabaseUnavailable, when called, for whatever keeps the answer away."""

    async def read(producers: Sequence[str]) -> dict[str, int]:
        try:
            rows = await pool.fetch(_QUERY, list(producers), timeout=TIMEOUT_S)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise DatabaseUnavailable from error
        return {row["producer"]: row["contiguous_sequence"] for row in rows}

    return read
