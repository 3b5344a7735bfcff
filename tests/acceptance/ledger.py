"""The ledger, read with the billing reader's certificate through the connection string in `run.json`."""

import asyncio
import time
from typing import Any

import asyncpg

Row = dict[str, Any]
ROW_TIMEOUT_S = 6.0
"""Three times the stated bound from answer to row (RELIABILITY, I6)."""


class Ledger:
    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def query(self, sql: str, *arguments: object) -> list[Row]:
        connection = await asyncpg.connect(self._dsn, timeout=10)
        try:
            return [dict(row) for row in await connection.fetch(sql, *arguments)]
        finally:
            await connection.close()

    async def usage_of_run(self, agent_run_id: str, *, within_s: float = ROW_TIMEOUT_S) -> Row:
        """The one row of the request that carried this `X-Agent-Run-Id`, as soon as it is there."""
        rows = await self.wait_for_rows(
            "SELECT * FROM billing.usage WHERE agent_run_id = $1", agent_run_id, at_least=1, within_s=within_s
        )
        assert len(rows) == 1, rows
        return rows[0]

    async def wait_for_rows(self, sql: str, *arguments: object, at_least: int, within_s: float) -> list[Row]:
        deadline = time.monotonic() + within_s
        while True:
            rows = await self.query(sql, *arguments)
            if len(rows) >= at_least:
                return rows
            assert time.monotonic() < deadline, f"{len(rows)} rows of {at_least} after {within_s} s: {sql} {arguments}"
            await asyncio.sleep(0.05)

    async def event_count(self) -> int:
        return int((await self.query("SELECT count(*) AS n FROM billing.attempts"))[0]["n"])
