"""Publishes every journal's terminal records to the broker, with confirms, in order, until they have arrived.

A failure of any kind ends the connection; after a pause everything that is not confirmed is sent
again from the journal. The ledger drops what arrives twice. A connection that has grown old ends
when all that it carries is confirmed, and the next one follows at once.
"""

import asyncio
import random
from collections import deque

from gateway_router.broker_link import BrokerLink, PublishFailed, open_link
from gateway_router.metering_metrics import BROKER_CONNECTED, PRODUCED, PUBLISHED, PUBLISHES
from gateway_router.publication import MAX_BATCH_EVENTS, Batch, Publication
from gateway_shared import canonical_log
from gateway_shared.tls import TlsFiles

MAX_OUTSTANDING_EVENTS = 1000
LINGER_S = 0.1
"""After a message that was not full the next one waits so long: under load events gather, alone they do not wait."""

MIN_BACKOFF_S = 0.1
MAX_BACKOFF_S = 5.0


class Publisher:
    """`publications` are the journals to publish; the own one first. `wake` says that there is more."""

    def __init__(self, url: str, files: TlsFiles) -> None:
        self.publications: deque[Publication] = deque()
        self.is_connected = False
        self._url = url
        self._files = files
        self._outstanding_events = 0
        self._unconfirmed_events = 0
        self._failures = 0
        self._changed = asyncio.Event()
        self._moved = asyncio.Event()

    def add(self, publication: Publication) -> None:
        self.publications.append(publication)
        self.note_growth(publication)

    def remove(self, publication: Publication) -> None:
        self.publications.remove(publication)

    def note_growth(self, publication: Publication) -> None:
        """There is more to publish."""
        events = publication.note_growth()
        self._unconfirmed_events += events
        PRODUCED.inc(events)
        self._changed.set()

    def want_marks(self) -> None:
        for publication in self.publications:
            publication.want_mark()
        self._changed.set()

    @property
    def unpublished(self) -> int:
        return sum(publication.unpublished for publication in self.publications)

    @property
    def unaccounted(self) -> int:
        """Produced, but neither confirmed nor in a journal: 0, or a journal was damaged (RELIABILITY: I5)."""
        return self._unconfirmed_events - self.unpublished

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._publish_while_connected()
                pause_s = 0.0
            except* PublishFailed as failures:
                self._note_failure(failures)
                ceiling_s = min(MAX_BACKOFF_S, MIN_BACKOFF_S * 2 ** min(self._failures, 10))
                pause_s = random.uniform(MIN_BACKOFF_S, ceiling_s)  # noqa: S311 - jitter
            finally:
                self._set_connected(False)
                self._outstanding_events = 0
                for publication in self.publications:
                    publication.rewind()
            await asyncio.sleep(pause_s)

    async def drained(self) -> None:
        """Returns when all there is has been confirmed."""
        while any(publication.has_backlog for publication in self.publications):
            self._moved.clear()
            await self._moved.wait()

    async def _publish_while_connected(self) -> None:
        """Returns when the connection is old, and all that it carried is confirmed."""
        async with open_link(self._url, self._files) as link, asyncio.TaskGroup() as tasks:
            self._set_connected(True)
            watching = tasks.create_task(_raise_when_lost(link))
            await self._publish_for(link.lifetime_s * random.uniform(0.8, 1.0), link, tasks)  # noqa: S311 - jitter
            watching.cancel()

    async def _publish_for(self, lifetime_s: float, link: BrokerLink, tasks: asyncio.TaskGroup) -> None:
        """Returns with the last messages still on their way."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + lifetime_s
        alarm = loop.call_at(end_s, self._changed.set)
        try:
            while loop.time() < end_s:
                self._changed.clear()
                batch = self._next_batch()
                if batch is None:
                    self._moved.set()
                    await self._changed.wait()
                    continue
                self._outstanding_events += batch.events
                tasks.create_task(self._publish(link, batch))
                if batch.events < MAX_BATCH_EVENTS:
                    await asyncio.sleep(LINGER_S)
        finally:
            alarm.cancel()

    def _next_batch(self) -> Batch | None:
        """Of each journal in turn, so that an old one's backlog does not hold the live one up."""
        if self._outstanding_events + MAX_BATCH_EVENTS > MAX_OUTSTANDING_EVENTS:
            return None
        for _ in range(len(self.publications)):
            publication = self.publications[0]
            self.publications.rotate(-1)
            batch = publication.next_batch()
            if batch is not None:
                return batch
        return None

    async def _publish(self, link: BrokerLink, batch: Batch) -> None:
        await link.publish(batch.body, message_id=batch.message_id)
        self._failures = 0
        self._outstanding_events -= batch.events
        confirmed_events = batch.publication.confirm(batch)
        self._unconfirmed_events -= confirmed_events
        PUBLISHED.inc(confirmed_events)
        PUBLISHES.labels(result="confirmed").inc()
        self._moved.set()
        self._changed.set()

    def _note_failure(self, failures: ExceptionGroup[PublishFailed]) -> None:
        self._failures += 1
        for failure in failures.exceptions:
            result = failure.result if isinstance(failure, PublishFailed) else "lost"
            PUBLISHES.labels(result=result).inc()
        first = failures.exceptions[0]
        canonical_log.warning("usage not published", result=str(first), failures=self._failures)

    def _set_connected(self, connected: bool) -> None:
        self.is_connected = connected
        BROKER_CONNECTED.set(connected)


async def _raise_when_lost(link: BrokerLink) -> None:
    await link.lost()
    raise PublishFailed("lost")
