"""Grants in Postgres: from the digest of a key to what it allows."""

import asyncio
import hmac
from importlib.resources import files

import asyncpg

from gateway_edge import metrics
from gateway_edge.grant import Grant
from gateway_shared import canonical_log
from gateway_shared.errors import DatabaseUnavailable

LOOK_UP_TIMEOUT_S = 2.0

_GRANT_OF_KEY = (files("gateway_edge") / "sql" / "grant_of_key.sql").read_text()

NOT_ALLOWED = asyncpg.InsufficientPrivilegeError
DATABASE_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class GrantStore:
    """Reads through `pool`; the role needs EXECUTE on `edge.grant_of_key` and nothing else."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def look_up(self, digest: bytes) -> Grant | None:
        """The grant of the live key with this digest. Raises DatabaseUnavailable, within LOOK_UP_TIMEOUT_S."""
        query = asyncio.create_task(self._pool.fetchrow(_GRANT_OF_KEY, digest))
        try:
            # wait, not timeout: the pool's clean-up of a cancelled query can hang as long as the database does
            done, _ = await asyncio.wait({query}, timeout=LOOK_UP_TIMEOUT_S)
            if not done:
                raise TimeoutError
            row = query.result()
        except DATABASE_ERRORS as error:
            metrics.GRANT_LOOKUPS.labels("unavailable").inc()
            canonical_log.exception("grant lookup failed", error)
            raise DatabaseUnavailable(retry_after_s=1.0) from error
        finally:
            _abandon(query)
        if row is None or not hmac.compare_digest(row["digest"], digest):
            metrics.GRANT_LOOKUPS.labels("not_found").inc()
            return None
        metrics.GRANT_LOOKUPS.labels("found").inc()
        return _grant_of(row)


def _grant_of(row: asyncpg.Record) -> Grant:
    return Grant(
        tenant_id=row["tenant_id"],
        user_id=row["user_id"],
        key_id=row["key_id"],
        plan_id=row["plan_id"],
        kind=row["kind"],
        scopes=tuple(row["scopes"]),
        expires_at_s=row["expires_at"].timestamp() if row["expires_at"] else None,
        requests_per_minute=row["requests_per_minute"],
        concurrent_requests=row["concurrent_requests"],
        plain_end_user_ids=row["plain_end_user_ids"],
    )


def _abandon(query: "asyncio.Task[asyncpg.Record | None]") -> None:
    """Cancels what still runs; what it may yet raise is nobody's any more."""
    if not query.done():
        query.add_done_callback(lambda done: done.cancelled() or done.exception())
        query.cancel()
