"""The price book of the running service: loaded once, loaded again when a version was imported.

After each load, what had no price is rated in two rounds: a batch that was being recorded meanwhile
was rated by the old book, and is there for the second. A round that fails is made up for.
"""

from gateway_billing import metrics
from gateway_billing.database import Pool
from gateway_billing.price_book import PriceBook
from gateway_billing.price_store import load_book, rate_unpriced, version_ids
from gateway_shared import canonical_log

_ROUNDS = 2


class Prices:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._book: PriceBook | None = None
        self._rounds_due = 0

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
        if self._rounds_due:
            await self._rate_unpriced()
            self._rounds_due -= 1

    async def _rate_unpriced(self) -> None:
        rated, remaining = await rate_unpriced(self._pool, self.book)
        metrics.UNPRICED.set(remaining)
        canonical_log.info("unpriced events rated", rated=rated, remaining=remaining)

    async def _load(self) -> None:
        self._book = await load_book(self._pool)
        self._rounds_due = _ROUNDS
        metrics.PRICE_VERSIONS.set(len(self._book.version_ids))
        canonical_log.info("prices loaded", versions=len(self._book.version_ids))
