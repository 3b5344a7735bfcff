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
from gateway_billing.price_book import PriceBook, PriceVersion
from gateway_billing.price_checks import UsedKinds
from gateway_billing.price_file import ModelPrice, PriceFile, price_content
from gateway_billing.pricing import RateKey


async def import_prices(pool: Pool, file: PriceFile) -> int | None:
    """The new version's number, or None when the book's newest version has this very content."""
    async with changing_books(pool) as (connection, changed_at):
        if await connection.fetchval(statements.SELECT_NEWEST_CONTENT, file.book) == file.content_sha256:
            return None
        version_id: int = await connection.fetchval(
            statements.INSERT_PRICE_VERSION,
            file.book,
            file.precedence,
            file.source,
            file.source_version,
            file.source_sha256,
            file.content_sha256,
            file.effective_from or changed_at,
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


async def is_newest(pool: Pool, file: PriceFile) -> bool:
    """Whether the book's newest version has this very content."""
    async with borrowed(pool) as connection:
        newest = await connection.fetchval(statements.SELECT_NEWEST_CONTENT, file.book)
    return bool(newest == file.content_sha256)


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
