"""The stored providers as the router's app uses them.

    async with open_stored_providers(...) as stored:
        calls = ChatCalls(stored.directory, ...)

Postgres being away stops nothing: the last known configuration goes on, at a start the copy beside the journal.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway_router.configuration import Configuration
from gateway_router.configuration_copy import ConfigurationCopy, CopyUnreadable
from gateway_router.dialects.litellm_names import import_for_calls
from gateway_router.key_ring import KeyRing
from gateway_router.list_prices import ReadPrices, list_prices
from gateway_router.live_directory import LiveDirectory
from gateway_router.provider_channel import ProviderChannel
from gateway_router.provider_store import ProviderStore
from gateway_router.stored_provider import StoredConfiguration
from gateway_shared import canonical_log
from gateway_shared.postgres import MAX_CONNECTION_AGE_S, connect, create_pool
from gateway_shared.tls import TlsFiles, connection_lifetime_s

START_PATIENCE_S = 3.0
"""How long a start waits for Postgres before it goes on with the copy, or with the environment's providers alone."""


@dataclass(frozen=True, slots=True)
class StoredProviders:
    """`read_prices` asks the same pool what models cost by the ledger's books."""

    directory: LiveDirectory
    store: ProviderStore
    read_prices: ReadPrices


@asynccontextmanager
async def open_stored_providers(
    environment: Configuration,
    ring: KeyRing | None,
    *,
    allowed_hosts: Container[str],
    journal_dir: Path,
    instance: str,
    postgres_dsn: str,
    tls_files: TlsFiles,
) -> AsyncIterator[StoredProviders]:
    """Yields when the stored configuration is in force, as far as it can be known now."""
    directory = LiveDirectory(environment, ring, allowed_hosts)
    copy = ConfigurationCopy(journal_dir, writer=f"{instance}.{os.getpid()}")
    await _take_copy(directory, copy)
    channel = ProviderChannel(
        partial(connect, postgres_dsn, tls_files, application_name="gateway router providers"),
        partial(_take_and_copy, directory, copy),
        note=directory.note_hearing,
        lifetime_s=lambda: connection_lifetime_s(tls_files, longest_s=MAX_CONNECTION_AGE_S),
    )
    pool = await create_pool(postgres_dsn, tls_files, application_name="gateway router providers", max_size=2)
    listening = asyncio.create_task(channel.run(), name="provider channel")
    listening.add_done_callback(_tell)
    try:
        await channel.first_try(timeout_s=START_PATIENCE_S)
        yield StoredProviders(directory, ProviderStore(pool, ring), list_prices(pool))
    finally:
        listening.cancel()
        await asyncio.wait({listening})
        pool.terminate()


async def _take_copy(directory: LiveDirectory, copy: ConfigurationCopy) -> None:
    try:
        stored = await asyncio.to_thread(copy.load)
    except (OSError, CopyUnreadable) as error:
        canonical_log.exception("copy of the providers not read", error)
        return
    if stored is not None:
        directory.take(stored, "copy")
        await _prepare(directory)


async def _take_and_copy(directory: LiveDirectory, copy: ConfigurationCopy, stored: StoredConfiguration) -> None:
    directory.take(stored, "database")
    await _prepare(directory)
    try:
        await asyncio.to_thread(copy.save, stored)
    except OSError as error:
        canonical_log.exception("copy of the providers not written", error)  # tried again with the next reading


async def _prepare(directory: LiveDirectory) -> None:
    """Once a provider is there that LiteLLM calls; in a thread, and at a start before the router is ready."""
    ways = (way for one in directory.current.registrations for way in one.ways)
    if any(way.wire == "litellm" for way in ways):
        try:
            await asyncio.to_thread(import_for_calls)
        except Exception as error:  # noqa: BLE001 - calls import it themselves, or fail; the configuration stands
            canonical_log.exception("LiteLLM's imports failed", error)


def _tell(ended: "asyncio.Task[None]") -> None:
    """A fault of ours: what is in force stays, and `/health` says that changes are not heard."""
    error = None if ended.cancelled() else ended.exception()
    if error is not None:
        canonical_log.exception("provider channel failed", error)
