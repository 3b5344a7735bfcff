"""The price book in Postgres: importing a file, loading the book."""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

import asyncpg

from gateway_billing import statements
from gateway_billing.book_lock import changing_books
from gateway_billing.database import BULK_TIMEOUT_S, Connection, Pool, columns
from gateway_billing.price_book import PriceBook, PriceVersion
from gateway_billing.price_file import ModelPrice, PriceFile
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
