"""The price book in Postgres: importing a file, loading the book."""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import asyncpg

from gateway_billing import statements
from gateway_billing.book_lock import changing_books
from gateway_billing.database import BULK_TIMEOUT_S, Connection, Pool, borrowed, columns
from gateway_billing.newest_version import NotImported, check_against_newest
from gateway_billing.price_book import PriceBook, PriceVersion
from gateway_billing.price_checks import UsedKinds
from gateway_billing.price_file import ModelPrice, PriceFile, price_content
from gateway_billing.pricing import RateKey


async def import_prices(pool: Pool, file: PriceFile, *, bundled: bool = False) -> int:
    """The new version's number. Raises NotImported."""
    async with changing_books(pool) as (connection, changed_at):
        await _check(connection, file, bundled=bundled)
        version_id: int = await connection.fetchval(
            statements.INSERT_PRICE_VERSION,
            file.book,
            file.precedence,
            file.source,
            file.source_version,
            file.source_sha256,
            file.content_sha256,
            file.effective_from or changed_at,
            bundled,
        )
        await connection.execute(
            statements.INSERT_PRICES, version_id, *columns(list(_price_rows(file))), timeout=BULK_TIMEOUT_S
        )
        return version_id


async def load_prices(connection: Connection) -> PriceBook:
    versions = await connection.fetch(statements.SELECT_PRICE_VERSIONS)
    prices = await connection.fetch(statements.SELECT_PRICES)
    models: dict[int, list[ModelPrice]] = {row["version_id"]: [] for row in versions}
    for (version_id, provider, model), rows in groupby(prices, key=itemgetter("version_id", "provider", "model")):
        models[version_id].append(_model_price(provider, model, list(rows)))
    return PriceBook(
        (
            PriceVersion(row["version_id"], row["book"], row["precedence"], row["effective_from"]),
            models[row["version_id"]],
        )
        for row in versions
    )


async def export_prices(pool: Pool, book: str, *, at: datetime) -> dict[str, Any] | None:
    """The book's version in force at that time, as the content of a price file; None when there is no such book."""
    async with borrowed(pool, timeout_s=BULK_TIMEOUT_S) as connection:
        version = await connection.fetchrow(statements.SELECT_BOOK_VERSION, book, at)
        if version is None:
            return None
        prices = await connection.fetch(statements.SELECT_VERSION_PRICES, version["version_id"])
    models = [
        _model_price(provider, model, list(rows))
        for (provider, model), rows in groupby(prices, key=itemgetter("provider", "model"))
    ]
    return price_content(dict(version), version["effective_from"], models)


async def used_kinds(pool: Pool) -> list[UsedKinds]:
    """Of the last 35 days."""
    async with borrowed(pool, timeout_s=BULK_TIMEOUT_S) as connection:
        rows = await connection.fetch(statements.SELECT_USED_KINDS, timeout=BULK_TIMEOUT_S)
    return [
        UsedKinds(row["price_provider"], row["model_served"], row["model_upstream"], frozenset(row["kinds"]))
        for row in rows
    ]


async def count_events_since(pool: Pool, begin: datetime) -> int:
    async with borrowed(pool, timeout_s=BULK_TIMEOUT_S) as connection:
        count: int = await connection.fetchval(statements.COUNT_EVENTS_SINCE, begin, timeout=BULK_TIMEOUT_S)
    return count


async def would_import(pool: Pool, file: PriceFile, *, bundled: bool) -> bool:
    """Whether `import_prices` would make a version of it, as the book is now."""
    async with borrowed(pool) as connection:
        try:
            await _check(connection, file, bundled=bundled)
        except NotImported:
            return False
    return True


async def _check(connection: Connection, file: PriceFile, *, bundled: bool) -> None:
    """Raises NotImported."""
    newest = await connection.fetchrow(statements.SELECT_NEWEST_PRICE_VERSION, file.book)
    counts_from_elsewhere = newest is not None and file.effective_from not in (None, newest["effective_from"])
    check_against_newest(
        dict(newest) if newest else None, None if counts_from_elsewhere else file.content_sha256, bundled=bundled
    )


def _price_rows(file: PriceFile) -> Iterator[tuple[object, ...]]:
    for price in file.models:
        for key, nano_usd in price.rates.items():
            yield (
                price.provider,
                price.model,
                key.kind,
                key.service_tier,
                key.context_above_tokens,
                nano_usd,
                price.source,
                price.source_date,
                price.note,
            )


def _model_price(provider: str, model: str, rows: list[asyncpg.Record]) -> ModelPrice:
    return ModelPrice(
        provider=provider,
        model=model,
        rates={
            RateKey(row["token_kind"], row["service_tier"], row["context_above_tokens"]): row[
                "nano_usd_per_million_tokens"
            ]
            for row in rows
        },
        source=rows[0]["source"],
        source_date=rows[0]["source_date"],
        note=rows[0]["note"],
    )
