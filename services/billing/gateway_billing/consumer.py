"""The consumer: takes batches from the queue into the ledger, and acknowledges what is durable there.

While the database is away the subscription is given up, so that what is in hand goes back once
instead of round and round; while the broker is away it reconnects. Both wait with jitter, and both
end by themselves. A database that is locked or full can be read all the same: so the batch that it did
not take is kept, and recorded before the queue is asked again, which then brings it as duplicates.
"""

import asyncio
import time
from datetime import UTC, datetime
from random import SystemRandom

from gateway_billing import metrics
from gateway_billing.backoff import Backoff
from gateway_billing.batch import Batch, next_batch
from gateway_billing.book_keeper import BookKeeper
from gateway_billing.database import DatabaseAway, Pool, borrowed
from gateway_billing.ledger import Ledger, Recorded
from gateway_billing.subscription import (
    CANCELLED_BY_BROKER,
    Subscription,
    SubscriptionEnded,
    SubscriptionRetired,
    connected,
    subscribed,
)
from gateway_shared import canonical_log
from gateway_shared.tls import TlsFiles, connection_lifetime_s

BATCHES_AT_ONCE = 2
"""Written at the same time: while Postgres works on one, the next is rated and sent."""


class Consumer:
    def __init__(self, amqp_url: str, files: TlsFiles, pool: Pool, keeper: BookKeeper, *, renew_after_s: float) -> None:
        """`renew_after_s`: how long a connection to the broker is kept at most."""
        self._amqp_url = amqp_url
        self._files = files
        self._renew_after_s = renew_after_s
        self._pool = pool
        self._keeper = keeper
        self._ledger = Ledger(pool)
        self._stopping = asyncio.Event()
        self._subscription: Subscription | None = None
        self._backoff = Backoff(SystemRandom().uniform)
        self._not_taken: Batch | None = None

    def stop(self) -> None:
        """`run` returns once the batch in hand is recorded and acknowledged."""
        self._stopping.set()
        if self._subscription is not None:
            self._subscription.end("stopping")

    async def check(self) -> str | None:
        """For `/health`: None while the queues are consumed."""
        is_consuming = self._subscription is not None and self._subscription.is_alive
        return None if is_consuming else "the queues are not consumed"

    async def run(self) -> None:
        """Until `stop`."""
        while not self._stopping.is_set():
            try:
                await self._wait_for_database()
                old_at_s = time.monotonic() + connection_lifetime_s(self._files, longest_s=self._renew_after_s)
                async with connected(self._amqp_url, self._files) as connection:
                    while not self._stopping.is_set() and time.monotonic() < old_at_s:
                        async with subscribed(connection, until_s=old_at_s) as subscription:
                            await self._consume(subscription)
            except SubscriptionEnded as error:
                if not self._stopping.is_set():
                    await self._pause("broker", str(error))
            except DatabaseAway as error:
                await self._pause("database", str(error))
            except Exception as error:  # noqa: BLE001 - the loop of last resort: nothing was acknowledged
                canonical_log.exception("consumer failed", error)
                await self._pause("error", type(error).__name__)

    async def _consume(self, subscription: Subscription) -> None:
        """Returns when the broker took the queue away, or the subscription retired. Raises DatabaseAway.

        While Postgres works on a batch the next one is prepared and the one after it read.
        """
        self._subscription = subscription
        if self._stopping.is_set():
            return
        reading = asyncio.create_task(next_batch(subscription))
        recording: list[asyncio.Task[None]] = []
        try:
            while True:
                is_busy = len(recording) == BATCHES_AT_ONCE
                waited_for = recording if is_busy else (reading, *recording)
                await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
                recording = self._unfinished(recording)
                if reading.done() and len(recording) < BATCHES_AT_ONCE:
                    batch = reading.result()
                    subscription.raise_if_ended()
                    reading = asyncio.create_task(next_batch(subscription))
                    before = recording[-1] if recording else None
                    recording.append(asyncio.create_task(self._record(batch, subscription, before)))
        except SubscriptionRetired:
            await _all_ended(recording)
            self._unfinished(recording)
        except SubscriptionEnded as error:
            await _all_ended(recording)
            if str(error) != CANCELLED_BY_BROKER:
                raise
            self._unfinished(recording)
            canonical_log.warning("queue was taken away")
        finally:
            await _abandon(reading)
            await _all_ended(recording)

    def _unfinished(self, recording: list[asyncio.Task[None]]) -> list[asyncio.Task[None]]:
        """Raises what one of them failed with: DatabaseAway or SubscriptionEnded."""
        for task in recording:
            if task.done():
                task.result()
                self._backoff.succeed()
        return [task for task in recording if not task.done()]

    async def _record(self, batch: Batch, subscription: Subscription, before: asyncio.Task[None] | None) -> None:
        """Commits, then acknowledges, behind the batch before it. Raises DatabaseAway and SubscriptionEnded."""
        started_s = time.monotonic()
        try:
            recorded = await self._ledger.record(batch.content, self._keeper)
        except DatabaseAway:
            self._not_taken = batch
            raise
        if before is not None:
            await asyncio.wait({before})
        await subscription.acknowledge(batch.messages)
        _tell(batch, recorded, time.monotonic() - started_s)

    async def _wait_for_database(self) -> None:
        """Raises DatabaseAway while it is, takes nothing, or the schema is not there."""
        async with borrowed(self._pool) as connection:
            await connection.fetchval("SELECT 1 FROM billing.event LIMIT 1")
        await self._keeper.load_once()
        if self._not_taken is not None:
            started_s = time.monotonic()
            recorded = await self._ledger.record(self._not_taken.content, self._keeper)
            _tell(self._not_taken, recorded, time.monotonic() - started_s)
            self._not_taken = None

    async def _pause(self, reason: str, why: str) -> None:
        wait_s = self._backoff.next_s()
        metrics.PAUSES.labels(reason).inc()
        canonical_log.warning("consumer paused", reason=reason, why=why, wait_s=round(wait_s, 2))
        await _wait(self._stopping, wait_s)


async def _abandon(reading: asyncio.Task[Batch]) -> None:
    """What it has read was not acknowledged, and comes again."""
    reading.cancel()
    await asyncio.wait({reading})
    if not reading.cancelled():
        reading.exception()  # it has been told elsewhere


async def _all_ended(recording: list[asyncio.Task[None]]) -> None:
    """Each ends by itself: what it waits for has a timeout."""
    if recording:
        await asyncio.wait(recording)
    for task in recording:
        if not task.cancelled():
            task.exception()  # of several the first was raised


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    """Returns when the event is set, or after `timeout_s`."""
    task = asyncio.ensure_future(event.wait())
    await asyncio.wait({task}, timeout=timeout_s)
    task.cancel()


def _tell(batch: Batch, recorded: Recorded, duration_s: float) -> None:
    for result in ("inserted", "duplicate", "quarantined"):
        metrics.EVENTS.labels(result).inc(getattr(recorded, result))
    for source, count in recorded.usage_sources.items():
        metrics.USAGE_SOURCE.labels(source).inc(count)
    metrics.UNPRICED_EVENTS.inc(recorded.unpriced)
    metrics.UNPRICED.inc(recorded.unpriced)
    metrics.MARKS.inc(len(batch.content.marks))
    metrics.UNCHARGED_EVENTS.inc(recorded.uncharged)
    metrics.UNCHARGED.inc(recorded.uncharged)
    metrics.BATCH_SECONDS.observe(duration_s)
    metrics.BATCH_EVENTS.observe(len(batch.content.events) + len(batch.content.poison))
    freshness_s = _freshness_s(batch)
    if freshness_s is not None:
        metrics.FRESHNESS_SECONDS.observe(freshness_s)
    canonical_log.info(
        "batch recorded",
        messages=len(batch.messages),
        inserted=recorded.inserted,
        duplicate=recorded.duplicate,
        quarantined=recorded.quarantined,
        unpriced=recorded.unpriced,
        uncharged=recorded.uncharged,
        duration_ms=round(duration_s * 1000, 1),
        oldest_s=None if freshness_s is None else round(freshness_s, 3),
    )


def _freshness_s(batch: Batch) -> float | None:
    """From the end of the oldest attempt until now, seconds; wall clocks of two machines, so never below 0.

    A producer's events come in the order in which they ended, so the first of a message is its oldest.
    """
    if not batch.content.events:
        return None
    oldest = min(event.ended_at for event in batch.first_events)
    return max(0.0, (datetime.now(UTC) - oldest).total_seconds())
