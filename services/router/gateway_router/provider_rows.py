"""Between the rows of schema `router` and what they mean; the caller owns connection and transaction."""

from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from typing import Any

import asyncpg
import orjson

from gateway_router.provider_prices import CACHE_KINDS, rates
from gateway_router.sealed_secret import SealedSecret
from gateway_router.stored_provider import (
    ProviderDefinition,
    StoredConfiguration,
    StoredKey,
    StoredProvider,
    StoredRouting,
    price_provider,
)

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

_SQL = {file.name: file.read_text() for file in (files("gateway_router") / "sql").iterdir()}
_PLAIN = (
    "kind", "base_url", "priority", "weight", "max_open_calls", "requests_per_minute",
    "connect_timeout_s", "first_byte_timeout_s", "silence_timeout_s", "call_timeout_s",
)  # fmt: skip
"""Members whose column has their name and their type."""


async def next_version(connection: Connection) -> int:
    """Of the configuration; other changes wait for the end of this transaction."""
    return int(await connection.fetchval(_SQL["next_version.sql"]))


async def end_when_idle(connection: Connection, *, after_s: float) -> None:
    """The database ends this transaction when nothing comes for so long."""
    await connection.execute(_SQL["end_when_idle.sql"], str(round(after_s * 1000)))


async def select_version(connection: Connection, *, timeout_s: float) -> int:
    return int(await connection.fetchval(_SQL["select_version.sql"], timeout=timeout_s))


async def select_configuration(connection: Connection) -> StoredConfiguration:
    """Three statements: of one moment in a transaction that is repeatable read, or that holds the version's row."""
    version = await connection.fetchval(_SQL["select_version.sql"])
    found = await connection.fetch(_SQL["select_providers.sql"])
    routing = await connection.fetchrow(_SQL["select_routing.sql"])
    return StoredConfiguration(
        version=version,
        providers=tuple(_provider_of(row) for row in found),
        routing=_routing_of(routing) if routing else StoredRouting(),
    )


async def replace_provider(
    connection: Connection, definition: ProviderDefinition, api_keys: Sequence[StoredKey], version: int
) -> StoredProvider:
    row = await connection.fetchrow(
        _SQL["upsert_provider.sql"],
        definition.tenant_id,
        definition.name,
        definition.kind,
        definition.base_url,
        list(definition.models),
        _json(definition.aliases),
        definition.priority,
        definition.weight,
        definition.max_open_calls,
        definition.requests_per_minute,
        definition.connect_timeout_s,
        definition.first_byte_timeout_s,
        definition.silence_timeout_s,
        definition.call_timeout_s,
        version,
        _json(definition.prices),
    )
    assert row is not None  # RETURNING
    await connection.execute(_SQL["delete_keys.sql"], row["provider_id"])
    keys = [
        (
            row["provider_id"],
            number,
            key.last_four,
            key.sealed.ring_key_id,
            key.sealed.wrapped_data_key,
            key.sealed.ciphertext,
        )
        for number, key in enumerate(api_keys)
    ]
    await connection.executemany(_SQL["insert_key.sql"], keys)
    return StoredProvider(
        definition=definition,
        api_keys=tuple(api_keys),
        version=version,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


async def publish_prices(connection: Connection, definition: ProviderDefinition) -> None:
    """A version of the provider's own book in the ledger, unless its newest says the same; by billing's contract."""
    found = list(rates(definition.prices))
    await connection.fetchval(
        _SQL["publish_prices.sql"],
        price_provider(definition),
        [rate.model for rate in found],
        [rate.token_kind for rate in found],
        [rate.nano_usd_per_million_tokens for rate in found],
    )


async def select_cache_rates(connection: Connection, price_provider: str) -> Mapping[str, Collection[str]]:
    """For which of CACHE_KINDS each model has a list price, by billing's contract."""
    rows = await connection.fetch(_SQL["select_cache_rates.sql"], price_provider)
    return {row["model"]: [kind for kind in CACHE_KINDS if row[f"{kind}_nano_usd"] is not None] for row in rows}


async def delete_provider(connection: Connection, name: str, tenant_id: str | None) -> None:
    await connection.execute(_SQL["delete_provider.sql"], name, tenant_id)


async def update_key(connection: Connection, provider: StoredProvider, key_number: int, sealed: SealedSecret) -> None:
    """Another wrapping of the same secret."""
    owner = provider.definition
    await connection.execute(
        _SQL["update_key.sql"], owner.name, owner.tenant_id, key_number, sealed.ring_key_id, sealed.wrapped_data_key
    )


async def replace_routing(connection: Connection, routing: StoredRouting, version: int) -> StoredRouting:
    await connection.execute(_SQL["upsert_routing.sql"], _json(routing.fallbacks), version)
    return StoredRouting(fallbacks=routing.fallbacks, version=version)


def _provider_of(row: asyncpg.Record) -> StoredProvider:
    keys = zip(row["last_fours"], row["ring_key_ids"], row["wrapped_data_keys"], row["ciphertexts"], strict=True)
    return StoredProvider(
        definition=ProviderDefinition(
            name=row["name"],
            tenant_id=row["tenant_id"],
            models=tuple(row["models"]),
            aliases=orjson.loads(row["aliases"]),
            prices=orjson.loads(row["prices"]),
            **{name: row[name] for name in _PLAIN},
        ),
        api_keys=tuple(
            StoredKey(last_four, SealedSecret(ring_key_id, wrapped, ciphertext))
            for last_four, ring_key_id, wrapped, ciphertext in keys
        ),
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _routing_of(row: asyncpg.Record) -> StoredRouting:
    fallbacks: dict[str, list[str]] = orjson.loads(row["value"])
    return StoredRouting(
        fallbacks={model: tuple(others) for model, others in fallbacks.items()}, version=row["version"]
    )


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
