"""Pools of Postgres connections over mutual TLS, and a wait-free health check.

A data source name is `postgresql://role@host:port/database`: no password, the certificate is the role.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from gateway_shared.tls import TlsFiles, client_context, connection_lifetime_s

if TYPE_CHECKING:
    from gateway_shared.operations import Check  # brings aiohttp, which commands have no use for

MAX_CONNECTION_AGE_S = 15 * 60.0
"""Neither side looks at expiry again on a kept connection."""
RENEW_AFTER_S = 12 * 60.0


async def create_pool(
    dsn: str,
    files: TlsFiles,
    *,
    application_name: str,
    max_size: int = 4,
    command_timeout_s: float = 10.0,
    renew_after_s: float | None = None,
) -> asyncpg.Pool:
    """Connects lazily: a database that is away at start does not keep the process from starting.

    All connections are replaced every `renew_after_s`, and in any case before our leaf ends.
    """
    return await _YoungPool(
        dsn,
        lifetime_s=lambda: connection_lifetime_s(files, longest_s=renew_after_s or RENEW_AFTER_S),
        ssl=client_context(files),
        min_size=0,
        max_size=max_size,
        max_queries=0xFFFF_FFFF,
        connection_class=asyncpg.Connection,
        record_class=asyncpg.Record,
        loop=asyncio.get_running_loop(),
        command_timeout=command_timeout_s,
        timeout=5.0,
        max_inactive_connection_lifetime=MAX_CONNECTION_AGE_S,
        server_settings={"application_name": application_name},
    )


class _YoungPool(asyncpg.Pool):
    """Replaces busy connections too: of its own asyncpg counts idle time only."""

    def __init__(self, *arguments: Any, lifetime_s: Callable[[], float], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._lifetime_s = lifetime_s
        self._renew_at_s = time.monotonic() + lifetime_s()

    async def release(self, connection: Any, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's name
        if time.monotonic() >= self._renew_at_s:
            self._renew_at_s = time.monotonic() + self._lifetime_s()
            await self.expire_connections()
        await super().release(connection, timeout=timeout)


async def connect(dsn: str, files: TlsFiles, *, application_name: str) -> asyncpg.Connection:
    """One connection outside any pool: for LISTEN, and for commands."""
    return await asyncpg.connect(
        dsn, ssl=client_context(files), timeout=5.0, server_settings={"application_name": application_name}
    )


@contextmanager
def cut_after(connection: Any, timeout_s: float) -> Iterator[None]:
    """The block has `timeout_s`, then the connection's socket is cut: to ask a hung server to stop would hang too.

    A block that is cancelled is cut off at once, for the same reason.
    """
    watchdog = asyncio.get_running_loop().call_later(timeout_s, connection.terminate)
    try:
        yield
    except asyncio.CancelledError:
        connection.terminate()
        raise
    finally:
        watchdog.cancel()


def database_check(pool: asyncpg.Pool) -> "Check":
    async def check() -> str | None:
        await pool.fetchval("SELECT 1", timeout=1.0)
        return None

    return check
