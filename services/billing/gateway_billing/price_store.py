"""The price book in Postgres: importing a file, loading the book, rating what had no price."""

from collections.abc import AsyncIterator, Iterator
from itertools import groupby
from operator import itemgetter
from uuid import UUID

import asyncpg

from gateway_billing import statements
from gateway_billing.database import borrowed
from gateway_billing.ledger import RatedEvent, insert_ratings
from gateway_billing.price_book import PriceBook, PriceVersion
from gateway_billing.price_file import ModelPrice, PriceFile
from gateway_billing.pricing import RateKey, Unpriced
from gateway_billing.rating import Usage, rate
from gateway_shared.usage_event import TokenCounts

_LOCK_KEY = 0x7072_6963  # one importer at a time
_PAGE = 1000
_BULK_TIMEOUT_S = 120.0


async def import_prices(pool: asyncpg.Pool, file: PriceFile) -> int | None:
    """The new version's number, or None when the book's newest version has this very content."""
    async with borrowed(pool, timeout_s=_BULK_TIMEOUT_S) as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK_KEY)
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
            file.effective_from,
        )
        rows = list(_price_rows(file))
        await connection.execute(statements.INSERT_PRICES, version_id, *map(list, zip(*rows, strict=True)))
        return version_id


async def load_book(pool: asyncpg.Pool) -> PriceBook:
    """In one snapshot, or a version could come without its prices. Raises DatabaseAway."""
    async with (
        borrowed(pool, timeout_s=_BULK_TIMEOUT_S) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
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


async def version_ids(pool: asyncpg.Pool) -> frozenset[int]:
    async with borrowed(pool) as connection:
        rows = await connection.fetch(statements.SELECT_PRICE_VERSIONS)
    return frozenset(row["version_id"] for row in rows)


async def rate_unpriced(pool: asyncpg.Pool, book: PriceBook) -> tuple[int, int]:
    """Rates every event without a cost that the book can price; returns how many were, and how many remain."""
    rated_count = remaining = 0
    async for page in _unpriced_pages(pool):
        rated: list[RatedEvent] = []
        for row in page:
            try:
                rated.append(RatedEvent(row["event_id"], row["tenant_id"], rate(_usage(row), book)))
            except Unpriced:
                remaining += 1
        async with borrowed(pool) as connection:
            await insert_ratings(connection, rated)
        rated_count += len(rated)
    return rated_count, remaining


async def _unpriced_pages(pool: asyncpg.Pool) -> AsyncIterator[list[asyncpg.Record]]:
    after = UUID(int=0)
    while True:
        async with borrowed(pool, timeout_s=_BULK_TIMEOUT_S) as connection:
            page = await connection.fetch(statements.SELECT_UNPRICED, after, _PAGE, timeout=_BULK_TIMEOUT_S)
        if page:
            yield page
        if len(page) < _PAGE:
            return
        after = page[-1]["event_id"]


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


def _usage(row: asyncpg.Record) -> Usage:
    return Usage(
        price_provider=row["price_provider"],
        model_served=row["model_served"],
        model_upstream=row["model_upstream"],
        service_tier=row["service_tier"],
        started_at=row["started_at"],
        usage_source=row["usage_source"],
        tokens=TokenCounts(**{name: row[name] for name in TokenCounts.__dataclass_fields__}),
    )
