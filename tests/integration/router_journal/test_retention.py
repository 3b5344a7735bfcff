"""A journal stays on disk until the real ledger has it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway_router.journal import Journal
from gateway_router.journal_upkeep import JournalUpkeep
from gateway_router.ledger_progress import LedgerProgress
from gateway_router.ledger_repair import LedgerRepair
from gateway_router.publisher import Publisher
from gateway_shared.postgres import create_pool
from tests.integration.billing.running_billing import RunningBilling
from tests.integration.router_journal.conftest import OpenMetering
from tests.integration.router_journal.ledger_queue import LedgerQueue
from tests.integration.router_journal.test_publishing import calls
from tests.servers import Certificates, Postgres

EVENTS = 120


@asynccontextmanager
async def upkeep_with(dsn: str, journal_dir: Path, certificates: Certificates) -> AsyncIterator[JournalUpkeep]:
    """The next process on the same folder, which keeps nothing for its age alone."""
    files = certificates.files("router")
    pool = await create_pool(dsn, files, application_name="test", max_size=1)
    journal = Journal.open(journal_dir, instance="r2")
    publisher = Publisher("amqps://localhost:1/", files)
    async with pool:
        progress = LedgerProgress(pool)
        repair = LedgerRepair(journal_dir, progress, "amqps://localhost:1/", files)
        yield JournalUpkeep(journal, journal_dir, publisher, progress, repair, keep_s=0.0)
        pool.terminate()
    await journal.close()
    journal.folder.release()


async def until_recorded(dsn: str, certificates: Certificates, producer: str) -> None:
    pool = await create_pool(dsn, certificates.files("router"), application_name="test", max_size=1)
    async with pool, asyncio.timeout(30):
        while (await LedgerProgress(pool).has([producer])).get(producer) != EVENTS:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


async def test_a_journal_is_removed_only_when_the_ledger_has_all_of_it(
    open_router: OpenMetering,
    ledger_queue: LedgerQueue,
    postgres_server: Postgres,
    certificates: Certificates,
    billing: RunningBilling,
    tmp_path: Path,
) -> None:
    async with open_router() as metering:
        await calls(metering, EVENTS)
        folder = metering.journal.folder.path
    dsn = postgres_server.dsn("router")
    async with upkeep_with("postgresql://router@localhost:1/gateway", tmp_path / "journal", certificates) as upkeep:
        await upkeep.remove_expired()
        assert folder.exists(), "the database is away"
    async with upkeep_with(dsn, tmp_path / "journal", certificates) as upkeep:
        await upkeep.remove_expired()
        assert folder.exists(), "the events are in the queue, not in the ledger"

        billing.start()
        await until_recorded(dsn, certificates, metering.journal.producer)
        await upkeep.remove_expired()
        assert not folder.exists()
