"""The cost of one usage event, or why it has none. Pure."""

from dataclasses import dataclass
from datetime import datetime

from gateway_billing.price_book import PriceBook
from gateway_billing.pricing import Unpriced, cost_nano_usd
from gateway_shared.usage_event import TokenCounts

_NO_TOKENS = TokenCounts()
_NOTHING_TO_PRICE = {
    "unknown": "0: no usage is known",
    "none": "0: nothing was used",
}


@dataclass(frozen=True, slots=True)
class Usage:
    """The part of an event that decides its cost."""

    price_provider: str
    model_served: str | None
    model_upstream: str
    service_tier: str | None
    started_at: datetime
    usage_source: str
    tokens: TokenCounts


@dataclass(frozen=True, slots=True)
class Rating:
    """`price_version` is None where no price was needed, which `reason` explains."""

    nano_usd: int
    price_version: int | None
    reason: str


def rate(usage: Usage, book: PriceBook) -> Rating:
    """Raises Unpriced: an unknown price is never 0."""
    if usage.tokens == _NO_TOKENS and usage.usage_source in _NOTHING_TO_PRICE:
        return Rating(0, None, _NOTHING_TO_PRICE[usage.usage_source])
    found = book.find(usage.price_provider, usage.model_served, usage.model_upstream, at=usage.started_at)
    if found is None:
        model = usage.model_served or usage.model_upstream
        raise Unpriced(f"no price for {usage.price_provider}/{model}")
    nano_usd = cost_nano_usd(usage.tokens, usage.service_tier, found.price.rates)
    reason = f"{found.version.book}: {found.price.provider}/{found.price.model}"
    estimated = "tokens estimated" if usage.usage_source == "estimated" else ""
    return Rating(
        nano_usd, found.version.version_id, "; ".join(part for part in (reason, found.remark, estimated) if part)
    )
