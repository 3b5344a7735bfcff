"""A database that answers nothing, neither a word nor an end: nobody waits for it longer than he said he would."""

import asyncio
import os
import signal
import time

import pytest

from gateway_billing.database import DatabaseAway, borrowed
from gateway_shared.postgres import create_pool
from tests.servers import Postgres

WITHIN_S = 3.0


@pytest.mark.parametrize("is_cancelled", [False, True], ids=["its time is up", "cancelled"])
async def test_a_statement_of_a_hung_server_is_given_up(postgres_server: Postgres, *, is_cancelled: bool) -> None:
    files = postgres_server.tls_files("billing")
    pool = await create_pool(postgres_server.dsn("billing"), files, application_name="test", max_size=1)
    hung = asyncio.get_running_loop().create_future()

    async def work() -> None:
        async with borrowed(pool, timeout_s=60.0 if is_cancelled else 0.5) as connection:
            process = await connection.fetchval("SELECT pg_backend_pid()")
            os.kill(process, signal.SIGSTOP)
            hung.set_result(process)
            await connection.fetchval("SELECT 1", timeout=60.0)

    task = asyncio.create_task(work())
    process = await hung
    try:
        since_s = time.monotonic()
        if is_cancelled:
            task.cancel()
        with pytest.raises(asyncio.CancelledError if is_cancelled else DatabaseAway):
            await task
        assert time.monotonic() - since_s < WITHIN_S
    finally:
        os.kill(process, signal.SIGCONT)
        pool.terminate()
