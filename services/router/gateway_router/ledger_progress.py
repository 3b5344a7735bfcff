"""What the ledger holds of each producer, and what it misses, by billing's contract with the router."""

from collections import defaultdict
from collections.abc import Sequence
from importlib.resources import files

import asyncpg

from gateway_shared.errors import DatabaseUnavailable

_SQL = files("gateway_router") / "sql"
_PROGRESS = (_SQL / "producer_progress.sql").read_text()
_MISSING = (_SQL / "missing_of_producers.sql").read_text()
TIMEOUT_S = 5.0


class LedgerProgress:
    """Asks anew each time. Raises DatabaseUnavailable for whatever keeps the answer away."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def has(self, producers: Sequence[str]) -> dict[str, int]:
        """For each producer that is known, the sequence up to which the ledger has everything."""
        rows = await self._fetch(_PROGRESS, producers)
        return {row["producer"]: row["contiguous_sequence"] for row in rows}

    async def misses(self, producers: Sequence[str]) -> dict[str, list[range]]:
        """For each producer with any, the sequences below its newest that are nowhere, lowest first."""
        found = defaultdict[str, list[range]](list)
        for row in await self._fetch(_MISSING, producers):
            found[row["producer"]].append(range(row["first_sequence"], row["last_sequence"] + 1))
        return found

    async def _fetch(self, query: str, producers: Sequence[str]) -> list[asyncpg.Record]:
        try:
            return await self._pool.fetch(query, list(producers), timeout=TIMEOUT_S)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise DatabaseUnavailable from error
