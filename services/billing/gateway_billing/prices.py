"""The price book of the running service: loaded once, loaded again when a version was imported."""

from gateway_billing import metrics
from gateway_billing.database import Pool
from gateway_billing.price_book import PriceBook
from gateway_billing.price_store import load_book, rate_unpriced, version_ids
from gateway_shared import canonical_log


class Prices:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._book: PriceBook | None = None

    @property
    def book(self) -> PriceBook:
        assert self._book is not None, "load_once comes first"
        return self._book

    async def check(self) -> str | None:
        """For `/health`: None when there are prices."""
        if self._book is None:
            return "not loaded yet"
        return None if self._book.version_ids else "no price was ever imported: python -m gateway_billing import-prices"

    async def load_once(self) -> None:
        """Raises DatabaseAway."""
        if self._book is None:
            await self._load()

    async def refresh(self) -> None:
        """Loads what was imported since, and rates what it can price now. Raises DatabaseAway."""
        if self._book is None or await version_ids(self._pool) != self._book.version_ids:
            await self._load()
            await self.rate_unpriced()

    async def rate_unpriced(self) -> None:
        """Raises DatabaseAway."""
        rated, remaining = await rate_unpriced(self._pool, self.book)
        metrics.UNPRICED.set(remaining)
        canonical_log.info("unpriced events rated", rated=rated, remaining=remaining)

    async def _load(self) -> None:
        self._book = await load_book(self._pool)
        metrics.PRICE_VERSIONS.set(len(self._book.version_ids))
        canonical_log.info("prices loaded", versions=len(self._book.version_ids))
