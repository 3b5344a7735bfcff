"""Metering as the router's app uses it: the journal, and in the background its way to the ledger.

    async with open_metering(...) as metering:
        metering.journal.intent(event)

The broker or the database being away stops nothing: the journal holds, `facts` tell.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway_router.journal import Journal
from gateway_router.journal_upkeep import JournalUpkeep
from gateway_router.ledger_progress import LedgerProgress
from gateway_router.ledger_repair import LedgerRepair
from gateway_router.publisher import Publisher
from gateway_router.retention import DEFAULT_KEEP_S
from gateway_shared import canonical_log
from gateway_shared.operations import Check
from gateway_shared.postgres import create_pool
from gateway_shared.tls import TlsFiles

DRAIN_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Metering:
    """`failed` is done, with the cause, when the process must stop: the journal or its upkeep is broken.

    `checks` belong into readiness: only a journal that takes no records makes the router unready.
    `facts` belong into `/health`; they tell of the broker, whose absence the journal bridges.
    """

    journal: Journal
    checks: dict[str, Check]
    facts: Callable[[], dict[str, object]]
    failed: asyncio.Future[BaseException]


@asynccontextmanager
async def open_metering(
    *,
    journal_dir: Path,
    instance: str,
    amqp_url: str,
    tls_files: TlsFiles,
    postgres_dsn: str,
    reserve_bytes: int,
    keep_s: float = DEFAULT_KEEP_S,
    drain_timeout_s: float = DRAIN_TIMEOUT_S,
) -> AsyncIterator[Metering]:
    """At the end everything is made durable, and published as far as that goes in `drain_timeout_s`.

    `reserve_bytes` of the disk are kept for what is in flight; `keep_s` is how long a segment stays
    on disk after the ledger has it. Raises FolderNameInvalid for an instance name that is no path
    part, OSError for a folder that cannot be written.
    """
    pool = await create_pool(postgres_dsn, tls_files, application_name="gateway router", max_size=1)
    async with pool:
        journal = Journal.open(journal_dir, instance=instance, reserve_bytes=reserve_bytes)
        publisher = Publisher(amqp_url, tls_files)
        progress = LedgerProgress(pool)
        repair = LedgerRepair(journal_dir, progress, amqp_url, tls_files)
        upkeep = JournalUpkeep(journal, journal_dir, publisher, progress, repair, keep_s=keep_s)
        failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(upkeep.run(), name="journal upkeep")
        task.add_done_callback(lambda ended: _tell(failed, None if ended.cancelled() else ended.exception()))
        journal.failed.add_done_callback(lambda ended: _tell(failed, ended.result()))
        try:
            yield Metering(journal, {"journal": journal_check(journal)}, upkeep.facts, failed)
        finally:
            await upkeep.finish(timeout_s=drain_timeout_s)
            task.cancel()
            pool.terminate()
            await asyncio.wait({task}, timeout=STOP_TIMEOUT_S)
            upkeep.release()


def journal_check(journal: Journal) -> Check:
    async def check() -> str | None:
        if journal.failed.done():
            return "a write failed; this process must be restarted"
        return None if journal.has_room else "the disk is nearly full; no new calls are taken"

    return check


def _tell(failed: asyncio.Future[BaseException], error: BaseException | None) -> None:
    if error is not None and not failed.done():
        canonical_log.exception("metering failed", error)
        failed.set_result(error)
