"""The cost of one usage event, or why it has none. Pure."""

from dataclasses import dataclass
from datetime import datetime

from gateway_billing.price_book import PriceBook
from gateway_billing.pricing import Unpriced, cost_nano_usd
from gateway_shared.usage_event import TokenCounts

_NO_TOKENS = TokenCounts()
_NOTHING_TO_RATE = {
    "unknown": "0: no usage is known",
    "none": "0: nothing was used",
}


@dataclass(slots=True)
class Usage:
    """The part of an event that decides its amounts. A value; not `frozen`, as a UsageEvent is not."""

    price_provider: str
    model_served: str | None
    model_upstream: str
    service_tier: str | None
    started_at: datetime
    usage_source: str
    status: str
    channel: str
    plan_id: str
    tokens: TokenCounts


@dataclass(slots=True)
class Rating:
    """A version is None where it was not needed, which `reason` explains. A value; not `frozen`, for speed."""

    nano_usd: int
    price_version: int | None
    reason: str
    tariff_version: int | None = None


def rate_cost(usage: Usage, prices: PriceBook) -> Rating:
    """Raises Unpriced: an unknown price is never 0."""
    nothing = nothing_to_rate(usage)
    if nothing is not None:
        return nothing
    found = prices.find(usage.price_provider, usage.model_served, usage.model_upstream, at=usage.started_at)
    if found is None:
        raise Unpriced(f"no price for {usage.price_provider}/{usage.model_served or usage.model_upstream}")
    nano_usd = cost_nano_usd(usage.tokens, usage.service_tier, found.price.rates)
    reason = f"{found.words}; tokens estimated" if usage.usage_source == "estimated" else found.words
    return Rating(nano_usd, found.version.version_id, reason)


def nothing_to_rate(usage: Usage) -> Rating | None:
    """The rating, of cost and charge alike, where there are no tokens and nobody says that there were any."""
    if usage.usage_source in _NOTHING_TO_RATE and usage.tokens == _NO_TOKENS:
        return Rating(0, None, _NOTHING_TO_RATE[usage.usage_source])
    return None
