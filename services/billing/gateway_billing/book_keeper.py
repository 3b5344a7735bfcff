"""The books of the running service: loaded once, loaded again when a version was imported.

After each load, what had no cost or no charge is rated; a try that fails is made up for.
"""

from gateway_billing import metrics, statements
from gateway_billing.book_lock import BooksOutdated
from gateway_billing.books import Books
from gateway_billing.database import BULK_TIMEOUT_S, Pool, borrowed
from gateway_billing.price_store import load_prices
from gateway_billing.tariff_store import load_tariffs
from gateway_billing.unrated import list_unlisted, rate_unrated
from gateway_shared import canonical_log


class BookKeeper:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._books: Books | None = None
        self._is_rating_due = True
        self._is_list_whole = False

    @property
    def books(self) -> Books:
        assert self._books is not None, "load_once comes first"
        return self._books

    async def check(self) -> str | None:
        """For `/health`: None when there are prices and tariffs."""
        if self._books is None:
            return "not loaded yet"
        if not self._books.newest[0]:
            return "no price was ever imported: python -m gateway_billing import-prices"
        if not self._books.newest[1]:
            return "no tariff was ever imported: python -m gateway_billing import-tariffs"
        return None

    async def load_once(self) -> None:
        """Raises DatabaseAway."""
        if self._books is None:
            await self.load()

    async def load(self) -> None:
        """Raises DatabaseAway."""
        self._books = await load_books(self._pool)
        self._is_rating_due = True
        metrics.PRICE_VERSIONS.set(self._books.prices.version_count)
        metrics.TARIFF_VERSIONS.set(self._books.tariffs.version_count)
        canonical_log.info(
            "prices and tariffs loaded",
            price_versions=self._books.prices.version_count,
            tariff_versions=self._books.tariffs.version_count,
        )

    async def refresh(self) -> None:
        """Loads what was imported since, and rates what it can rate now. Raises DatabaseAway."""
        if self._books is None or await newest_versions(self._pool) != self._books.newest:
            await self.load()
        if self._is_rating_due:
            await self._rate_unrated()
        if not self._is_list_whole:
            await list_unlisted(self._pool)
            self._is_list_whole = self._is_rating_due = True

    async def _rate_unrated(self) -> None:
        try:
            count = await rate_unrated(self._pool, self.books)
        except BooksOutdated:
            canonical_log.info("newer prices or tariffs while rating; again with those")
            return
        self._is_rating_due = False
        metrics.UNPRICED.set(count.unpriced)
        metrics.UNCHARGED.set(count.uncharged)
        canonical_log.info(
            "unrated events rated", rated=count.rated, unpriced=count.unpriced, uncharged=count.uncharged
        )


async def load_books(pool: Pool) -> Books:
    """In one snapshot, or a version could come without its rates. Raises DatabaseAway."""
    async with (
        borrowed(pool, timeout_s=BULK_TIMEOUT_S) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        return Books(await load_prices(connection), await load_tariffs(connection))


async def newest_versions(pool: Pool) -> tuple[int, int]:
    """The highest version of prices and of tariffs, as in `Books.newest`. Raises DatabaseAway."""
    async with borrowed(pool) as connection:
        row = await connection.fetchrow(statements.SELECT_NEWEST_VERSIONS)
    assert row is not None, "the query returns one row"
    return row["price_version"], row["tariff_version"]
