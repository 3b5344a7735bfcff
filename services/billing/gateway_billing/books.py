"""The books that amounts come from, and both amounts of an event by them. Pure."""

from dataclasses import dataclass

from gateway_billing.charging import Uncharged, rate_charge
from gateway_billing.price_book import PriceBook
from gateway_billing.pricing import Unpriced
from gateway_billing.rating import Rating, Usage, rate_cost
from gateway_billing.tariff_book import TariffBook


@dataclass(frozen=True, slots=True)
class Books:
    """All versions of prices and tariffs, as of one moment."""

    prices: PriceBook
    tariffs: TariffBook

    @property
    def newest(self) -> tuple[int, int]:
        """The highest version of prices and of tariffs, 0 where there is none."""
        return self.prices.newest, self.tariffs.newest


@dataclass(slots=True)
class Ratings:
    """What an event costs us and what its tenant is charged; `why` says what is missing where one is None.

    A value; not `frozen`, for speed.
    """

    cost: Rating | None
    charge: Rating | None
    why: str = ""


def rate(usage: Usage, books: Books) -> Ratings:
    """A fixed price can be charged while the cost is unknown; what marks the cost up waits for it."""
    cost = charge = None
    missing: list[str] = []
    try:
        cost = rate_cost(usage, books.prices)
    except Unpriced as error:
        missing.append(str(error))
    try:
        charge = rate_charge(usage, books.tariffs, books.prices, cost)
    except Uncharged as error:
        missing.append(str(error))
    return Ratings(cost, charge, "; ".join(missing))
