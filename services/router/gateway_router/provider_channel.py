"""Hearing from Postgres that providers have changed (LISTEN/NOTIFY), and reading them."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import asyncpg

from gateway_router import provider_rows
from gateway_router.provider_store import DATABASE_ERRORS
from gateway_router.stored_provider import StoredConfiguration
from gateway_shared import canonical_log
from gateway_shared.postgres import cut_after

CHANNEL = "router_providers"
READ_EVERY_S = 15.0
"""Also when nothing is heard: finds a connection that is half open, and a change that was told to nobody."""
READ_TIMEOUT_S = 5.0
RETRY_AFTER_S = (0.2, 1.0)
"""Shortest and longest pause before the channel is opened again."""

Connect = Callable[[], Awaitable[asyncpg.Connection]]


class ProviderChannel:
    """Gives `take` what is stored: at once, after every change, and every READ_EVERY_S; for as long as `run` runs.

    `note` is told whether changes are heard. `lifetime_s` is how long a connection may be kept that is made now.
    """

    def __init__(
        self,
        connect: Connect,
        take: Callable[[StoredConfiguration], Awaitable[None]],
        *,
        note: Callable[[bool], None],
        lifetime_s: Callable[[], float],
    ) -> None:
        self._connect = connect
        self._take = take
        self._note = note
        self._lifetime_s = lifetime_s
        self._tried = asyncio.Event()
        self._told = False

    async def first_try(self, *, timeout_s: float) -> None:
        """Returns when something was read, or the first try failed, or `timeout_s` are over."""
        await _wait(self._tried, timeout_s)

    async def run(self) -> None:
        """Opens the channel again whenever it is lost, and when its certificate is to be looked at anew."""
        while True:
            try:
                await self._listen()
            except DATABASE_ERRORS as error:
                if not self._told:  # once: the last known configuration goes on
                    canonical_log.exception("provider channel lost", error)
                self._told = True
                self._tried.set()
                await asyncio.sleep(random.uniform(*RETRY_AFTER_S))  # noqa: S311 - spreads reconnects

    async def _listen(self) -> None:
        """Returns when the connection is old; raises as soon as it is lost."""
        connection = await self._connect()
        changed = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: changed.set())
            with cut_after(connection, READ_TIMEOUT_S):
                await connection.add_listener(CHANNEL, lambda *_: changed.set())
            old_at_s = time.monotonic() + self._lifetime_s()
            while (left_s := old_at_s - time.monotonic()) > 0:
                changed.clear()  # after LISTEN, and before the reading: what changes from here on is heard
                await self._take(await _read(connection))
                self._note(True)
                self._tried.set()
                self._told = False
                await _wait(changed, min(left_s, READ_EVERY_S))
        finally:
            self._note(False)
            connection.terminate()


async def _read(connection: asyncpg.Connection) -> StoredConfiguration:
    with cut_after(connection, READ_TIMEOUT_S):
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await provider_rows.select_configuration(connection)


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    waiting = asyncio.ensure_future(event.wait())
    await asyncio.wait({waiting}, timeout=timeout_s)
    waiting.cancel()
