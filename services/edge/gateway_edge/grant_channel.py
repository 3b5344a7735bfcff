"""Hearing from Postgres which grants have changed (LISTEN/NOTIFY)."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import asyncpg
import orjson

from gateway_edge.grant_cache import GrantCache
from gateway_edge.grant_store import DATABASE_ERRORS
from gateway_shared import canonical_log
from gateway_shared.postgres import MAX_CONNECTION_AGE_S

CHANNEL = "edge_grants"
CHECK_EVERY_S = 15.0
CHECK_TIMEOUT_S = 5.0
RETRY_AFTER_S = (0.2, 1.0)
"""Shortest and longest pause before the channel is opened again."""

Connect = Callable[[], Awaitable[asyncpg.Connection]]


class GrantChannel:
    """Drops from `cache` what has changed, for as long as `run` runs; `opened` is set while changes are heard."""

    def __init__(self, connect: Connect, cache: GrantCache) -> None:
        self._connect = connect
        self._cache = cache
        self.opened = asyncio.Event()

    async def run(self) -> None:
        """Opens the channel again whenever it is lost, and every 15 min so that certificates are looked at anew."""
        while True:
            try:
                await self._listen()
            except DATABASE_ERRORS as error:
                canonical_log.exception("grant channel lost", error)
                await asyncio.sleep(random.uniform(*RETRY_AFTER_S))  # noqa: S311 - spreads reconnects

    async def _listen(self) -> None:
        connection = await self._connect()
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await connection.add_listener(CHANNEL, self._on_change)
            # after LISTEN, not before: what changed until now was told to nobody
            self._cache.verify_all_again()
            self.opened.set()
            await self._watch(connection)
        finally:
            self.opened.clear()
            connection.terminate()

    async def _watch(self, connection: asyncpg.Connection) -> None:
        """Returns when the connection is old; raises as soon as it is lost, half-open ones included."""
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _: ended.set())
        old_at_s = time.monotonic() + MAX_CONNECTION_AGE_S
        while time.monotonic() < old_at_s:
            await asyncio.wait({waiting := asyncio.ensure_future(ended.wait())}, timeout=CHECK_EVERY_S)
            waiting.cancel()
            await connection.fetchval("SELECT 1", timeout=CHECK_TIMEOUT_S)

    def _on_change(self, *notification: object) -> None:
        """`notification` is connection, process id, channel and payload."""
        try:
            change = orjson.loads(str(notification[-1]))
            tenant_id, key_id = change["tenant_id"], change["key_id"]
        except (ValueError, KeyError, TypeError) as error:
            # any role of the database may notify; what cannot be read may have meant any key
            canonical_log.exception("grant change not understood", error)
            self._cache.verify_all_again()
        else:
            self._cache.forget(tenant_id, key_id)
