"""Stored providers and their routing, in Postgres (schema `router`).

    try:
        stored = await store.put_provider(definition, api_keys=[Secret("sk-...")], expected_version=0)
    except VersionMismatch as error:  # somebody was faster
        ...

Every change takes the row of `router.configuration` first: changes come one after the other, and every router hears
of each when it is committed. Every method raises DatabaseUnavailable within STATEMENT_TIMEOUT_S when Postgres is away.
Prices come last: from then to the commit nobody rates by the ledger's books. A router that stalls meanwhile loses what
it holds to the database's own clock.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NoReturn

import asyncpg

from gateway_router import provider_rows as rows
from gateway_router.key_ring import KeyRing, SecretUnreadable
from gateway_router.sealed_secret import SealedSecret
from gateway_router.stored_provider import (
    ProviderDefinition,
    StoredConfiguration,
    StoredKey,
    StoredProvider,
    StoredRouting,
    last_four,
    place_of,
)
from gateway_shared import canonical_log
from gateway_shared.errors import DatabaseUnavailable
from gateway_shared.postgres import cut_after
from gateway_shared.settings import Secret

STATEMENT_TIMEOUT_S = 4.0
DATABASE_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy


class ProviderNotFound(Exception):
    """There is no stored provider of this name and tenant."""


class VersionMismatch(Exception):
    """The provider, or the routing, is not what the caller thinks it is; `found` is its version, 0 for none."""

    def __init__(self, *, expected: int, found: int) -> None:
        super().__init__(f"expected version {expected}, found {found}")
        self.expected = expected
        self.found = found


class DefinitionRefused(Exception):
    """The database refuses these very values and always will: they were not validated."""


class KeyRingMissing(Exception):
    """No API key can be kept: this router has no key ring (PROVIDER_KEY_RING_FILE)."""


class LedgerOutdated(Exception):
    """The ledger's schema is of a release, or is not there, that takes no prices of providers."""


class ProviderStore:
    """Works through `pool` as role `router`. Without a `ring` it stores only providers that have no API key."""

    def __init__(self, pool: asyncpg.Pool, ring: KeyRing | None) -> None:
        self._pool = pool
        self._ring = ring

    async def read(self) -> StoredConfiguration:
        """All that is stored, as of one moment; the providers in the order of their names."""
        async with self._reading() as connection:
            return await rows.select_configuration(connection)

    async def list_providers(self) -> tuple[StoredProvider, ...]:
        """Every tenant's, by name."""
        return (await self.read()).providers

    async def get_provider(self, name: str, tenant_id: str | None = None) -> StoredProvider:
        """The one of this very tenant; None: the one that is there for all. Raises ProviderNotFound."""
        return (await self.read()).provider(name, tenant_id) or _not_found(name)

    async def put_provider(
        self,
        definition: ProviderDefinition,
        *,
        api_keys: Sequence[Secret] | None,
        expected_version: int | None,
    ) -> StoredProvider:
        """Stores a provider anew, or in place of the one of the same name and tenant.

        `api_keys` of None keeps those that are stored. `expected_version`: 0 where there must be none yet, a version
        where that one must stand, None whatever stands. Its prices are in the ledger's books when it can be seen.
        Raises VersionMismatch, KeyRingMissing, and SecretUnreadable where stored keys are to be kept that do not open,
        DefinitionRefused, LedgerOutdated.
        """
        async with self._change() as (connection, version):
            standing = (await rows.select_configuration(connection)).provider(definition.name, definition.tenant_id)
            _expect(expected_version, standing.version if standing else 0)
            if api_keys is None:
                api_keys = self._open_all(standing) if standing else ()
            sealed = [self._seal(key, definition, version, number) for number, key in enumerate(api_keys)]
            stored = await rows.replace_provider(connection, definition, sealed, version)
            if definition.prices:
                await rows.publish_prices(connection, definition)
            return stored

    async def delete_provider(
        self, name: str, tenant_id: str | None = None, *, expected_version: int | None = None
    ) -> StoredProvider:
        """What was deleted. Raises ProviderNotFound and VersionMismatch."""
        async with self._change() as (connection, _):
            standing = (await rows.select_configuration(connection)).provider(name, tenant_id) or _not_found(name)
            _expect(expected_version, standing.version)
            await rows.delete_provider(connection, name, tenant_id)
            return standing

    async def listed_cache_rates(self, price_provider: str) -> Mapping[str, Collection[str]]:
        """By model, for which kinds of cached tokens the ledger has a list price now. Raises LedgerOutdated."""
        async with self._borrowed() as connection:
            try:
                return await rows.select_cache_rates(connection, price_provider)
            except (asyncpg.UndefinedColumnError, asyncpg.UndefinedTableError) as error:
                raise LedgerOutdated(str(error)) from error

    async def get_routing(self) -> StoredRouting:
        return (await self.read()).routing

    async def put_routing(self, routing: StoredRouting, *, expected_version: int | None = None) -> StoredRouting:
        """Stores `routing` (its own `version` does not count). Raises VersionMismatch."""
        async with self._change() as (connection, version):
            _expect(expected_version, (await rows.select_configuration(connection)).routing.version)
            return await rows.replace_routing(connection, routing, version)

    async def rewrap(self) -> int:
        """Wraps every data key that another key of the ring wraps with the current one; returns how many.

        Raises KeyRingMissing, and SecretUnreadable where one does not open: then nothing was changed.
        """
        if self._ring is None:
            raise KeyRingMissing
        async with self._change() as (connection, _):
            stored = await rows.select_configuration(connection)
            rewrapped = 0
            for provider in stored.providers:
                for number, key in enumerate(provider.api_keys):
                    if key.sealed.ring_key_id != self._ring.current_id:
                        sealed = self._rewrapped(key, provider, number, self._ring)
                        await rows.update_key(connection, provider, number, sealed)
                        rewrapped += 1
            return rewrapped

    def _seal(self, key: Secret, definition: ProviderDefinition, version: int, number: int) -> StoredKey:
        if self._ring is None:
            raise KeyRingMissing
        return StoredKey(last_four(key), self._ring.seal(key, place_of(definition, version, number)))

    @staticmethod
    def _rewrapped(key: StoredKey, provider: StoredProvider, number: int, ring: KeyRing) -> SealedSecret:
        try:
            return ring.rewrap(key.sealed, provider.place_of(number))
        except SecretUnreadable as error:
            raise SecretUnreadable(f"provider {provider.definition.name}: {error}") from error

    def _open_all(self, provider: StoredProvider) -> list[Secret]:
        if self._ring is None and provider.api_keys:
            raise KeyRingMissing
        ring = self._ring
        return [ring.open(key.sealed, provider.place_of(n)) for n, key in enumerate(provider.api_keys) if ring]

    @asynccontextmanager
    async def _change(self) -> AsyncIterator[tuple[Connection, int]]:
        """A transaction, and the version that it makes; undone where the block raises."""
        async with self._borrowed() as connection, connection.transaction():
            await rows.end_when_idle(connection, after_s=STATEMENT_TIMEOUT_S)
            yield connection, await rows.next_version(connection)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Connection]:
        async with self._borrowed() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[Connection]:
        """A connection, for at most STATEMENT_TIMEOUT_S."""
        try:
            async with self._pool.acquire(timeout=STATEMENT_TIMEOUT_S) as connection:
                with cut_after(connection, STATEMENT_TIMEOUT_S):
                    yield connection
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            raise DefinitionRefused(f"{type(error).__name__}: {error}") from error
        except (asyncpg.UndefinedFunctionError, asyncpg.InvalidSchemaNameError) as error:
            raise LedgerOutdated(str(error)) from error
        except DATABASE_ERRORS as error:
            canonical_log.exception("provider store failed", error)
            raise DatabaseUnavailable(retry_after_s=1.0) from error


def _expect(expected: int | None, found: int) -> None:
    if expected is not None and expected != found:
        raise VersionMismatch(expected=expected, found=found)


def _not_found(name: str) -> NoReturn:
    raise ProviderNotFound(f"there is no stored provider {name}")
