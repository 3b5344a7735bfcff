"""What models cost, from billing's contract view `billing.list_price`: for `/v1/models` to show, for nothing else."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from importlib.resources import files

import asyncpg

from gateway_router.model_catalogue import Prices
from gateway_shared.errors import DatabaseUnavailable, JsonObject

ReadPrices = Callable[[], Awaitable[Prices]]

TIMEOUT_S = 2.0
_QUERY = (files("gateway_router") / "sql" / "list_prices.sql").read_text()
_NANO = Decimal(10) ** 9


def list_prices(pool: asyncpg.Pool) -> ReadPrices:
    """Raises DatabaseUnavailable, when called, for whatever keeps the answer away."""

    async def read() -> Prices:
        try:
            async with pool.acquire(timeout=TIMEOUT_S) as connection:
                rows = await connection.fetch(_QUERY, timeout=TIMEOUT_S)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise DatabaseUnavailable from error
        return {(row["price_provider"], row["model"]): _shown(row) for row in rows}

    return read


def _shown(row: asyncpg.Record) -> JsonObject:
    return {
        "unit": "USD per 1000000 tokens",
        "input": _usd(row["input_nano_usd"]),
        "cached_input": _usd(row["cached_input_nano_usd"]),
        "output": _usd(row["output_nano_usd"]),
    }


def _usd(nano_usd: int | None) -> str | None:
    """Exactly, and as text: JSON's readers make floats of numbers."""
    return None if nano_usd is None else f"{(nano_usd / _NANO).normalize():f}"
