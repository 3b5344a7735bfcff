"""The books that amounts come from, and both amounts of an event by them. Pure."""

from dataclasses import dataclass, field

from gateway_billing.charging import Uncharged, rate_charge
from gateway_billing.plain_rating import PlainRating, is_plain
from gateway_billing.price_book import PriceBook
from gateway_billing.pricing import Unpriced
from gateway_billing.rating import Rating, Usage, rate_cost
from gateway_billing.tariff_book import TariffBook

_MAX_PLAIN = 4_096


@dataclass(frozen=True, slots=True)
class Books:
    """All versions of prices and tariffs, as of one moment."""

    prices: PriceBook
    tariffs: TariffBook
    _plain: dict[tuple[object, ...], PlainRating | None] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def plain(self, usage: Usage) -> PlainRating | None:
        """For a plain event; None where it has no price or no rule."""
        key = (
            usage.price_provider,
            usage.model_served,
            usage.model_upstream,
            usage.service_tier,
            usage.channel,
            usage.plan_id,
            self.prices.versions_begun(usage.started_at),
            self.tariffs.versions_begun(usage.started_at),
        )
        try:
            return self._plain[key]
        except KeyError:
            if len(self._plain) >= _MAX_PLAIN:
                self._plain.clear()
            found = self._plain[key] = self._make_plain(usage)
            return found

    def _make_plain(self, usage: Usage) -> PlainRating | None:
        names = usage.price_provider, usage.model_served, usage.model_upstream
        price = self.prices.find(*names, at=usage.started_at)
        rule = self.tariffs.find(usage.channel, usage.plan_id, *names, at=usage.started_at)
        return None if price is None or rule is None else PlainRating.of(price, rule, usage.service_tier)

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
    if is_plain(usage) and (plain := books.plain(usage)) is not None and (amounts := plain.rate(usage.tokens)):
        return Ratings(*amounts)
    return rate_carefully(usage, books)


def rate_carefully(usage: Usage, books: Books) -> Ratings:
    """Of any event, with the words for what is missing."""
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
