"""What the service does beside consuming: partitions made, books and checkpoints kept, what is missing counted."""

import asyncio

from gateway_billing import metrics, statements
from gateway_billing.book_keeper import BookKeeper
from gateway_billing.database import DatabaseAway, DataRefused, Pool, borrowed
from gateway_shared import canonical_log

BOOKS_INTERVAL_S = 5.0
PARTITIONS_INTERVAL_S = 24 * 3600.0
CHECKPOINTS_INTERVAL_S = 30.0
COMPLETENESS_INTERVAL_S = 300.0
RETRY_S = 5.0
_BULK_TIMEOUT_S = 60.0


async def keep_books(keeper: BookKeeper) -> None:
    """For the life of the service; at its start this also rates what was left without a cost or a charge."""
    while True:
        try:
            await keeper.refresh()
        except (DatabaseAway, DataRefused) as error:
            canonical_log.warning("prices and tariffs not refreshed", why=str(error))
        await asyncio.sleep(BOOKS_INTERVAL_S)


async def keep_partitions(pool: Pool) -> None:
    """For the life of the service: at start and daily."""
    while True:
        try:
            created = await ensure_partitions(pool)
            async with borrowed(pool, timeout_s=_BULK_TIMEOUT_S) as connection:
                metrics.DEFAULT_PARTITION_EVENTS.set(await connection.fetchval(statements.COUNT_DEFAULT_PARTITION))
            canonical_log.info("partitions ensured", created=created)
            await asyncio.sleep(PARTITIONS_INTERVAL_S)
        except (DatabaseAway, DataRefused) as error:
            canonical_log.warning("partitions not ensured", why=str(error))
            await asyncio.sleep(RETRY_S)


async def ensure_partitions(pool: Pool) -> int:
    """How many were made; each in a transaction of its own, or it could deadlock with the consumer.

    Raises DatabaseAway.
    """
    created = 0
    while True:
        async with borrowed(pool, timeout_s=_BULK_TIMEOUT_S) as connection:
            if not await connection.fetchval(statements.ENSURE_NEXT_PARTITION, timeout=_BULK_TIMEOUT_S):
                return created
        created += 1


async def keep_checkpoints(pool: Pool) -> None:
    """For the life of the service: what is behind a producer's checkpoint is all that its progress costs to tell."""
    while True:
        try:
            async with borrowed(pool, timeout_s=_BULK_TIMEOUT_S) as connection:
                await connection.execute(statements.ADVANCE_CHECKPOINTS, timeout=_BULK_TIMEOUT_S)
        except (DatabaseAway, DataRefused) as error:
            canonical_log.warning("checkpoints not advanced", why=str(error))
        await asyncio.sleep(CHECKPOINTS_INTERVAL_S)


async def keep_completeness(pool: Pool) -> None:
    """For the life of the service. Where an event stays missing, all that its producer wrote after it is looked at."""
    while True:
        try:
            async with borrowed(pool, timeout_s=_BULK_TIMEOUT_S) as connection:
                (row,) = await connection.fetch(statements.COUNT_NOT_RECORDED, timeout=_BULK_TIMEOUT_S)
            metrics.MISSING.set(row["missing"])
            metrics.QUARANTINE_OPEN.set(row["quarantined"])
        except (DatabaseAway, DataRefused) as error:
            canonical_log.warning("completeness not counted", why=str(error))
        await asyncio.sleep(COMPLETENESS_INTERVAL_S)
