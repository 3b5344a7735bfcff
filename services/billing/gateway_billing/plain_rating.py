"""Both amounts of a plain event, by rates that were looked up once for its model, tier and rule. Pure.

Nearly every event is plain: it came to its end, the provider told its tokens, and each kind of them has a rate and is
asked for. `rating` and `charging` say what holds, and rate all others; this says the same in a third of the time, or
nothing.
"""

from dataclasses import dataclass
from typing import Self

from gateway_billing.charging import BASIS_POINTS
from gateway_billing.price_book import FoundPrice
from gateway_billing.pricing import (
    MAX_NANO_USD,
    TOKEN_KINDS,
    TOKENS_PER_RATE,
    TokenKind,
    Unpriced,
    counts_by_kind,
    rate_of,
    threshold_of,
    tier_name,
)
from gateway_billing.rating import Rating, Usage
from gateway_billing.tariff_book import FoundRule
from gateway_billing.tariff_rule import FixedPrice
from gateway_shared.usage_event import TokenCounts

_PER_CHARGE = TOKENS_PER_RATE * BASIS_POINTS

_Rates = tuple[tuple[int | None, int | None], ...]
"""For each kind of token in the order of TOKEN_KINDS what the provider asks (nano-USD per million), and what we ask
(the same times 10,000); None where that cannot be told."""


def is_plain(usage: Usage) -> bool:
    return usage.status == "settled" and usage.usage_source == "provider"


@dataclass(slots=True)
class PlainRating:
    """For all plain events of one model in one tier under one rule."""

    price: FoundPrice
    rule: FoundRule
    tier: str
    charge_reason: str
    _by_threshold: dict[int, _Rates]

    @classmethod
    def of(cls, price: FoundPrice, rule: FoundRule, service_tier: str | None) -> Self:
        how = price.remark if rule.rule.is_markup else ""
        return cls(price, rule, tier_name(service_tier), f"{rule.words}; {how}" if how else rule.words, {})

    def rate(self, tokens: TokenCounts) -> tuple[Rating, Rating] | None:
        """Cost and charge; None where something is missing or odd, which others find words for."""
        counts = counts_by_kind(tokens)
        if min(counts) < 0:
            return None
        cost = charge = 0
        for count, (asked, asks) in zip(counts, self._rates(tokens.input_tokens), strict=True):
            if count:
                if asked is None or asks is None:
                    return None
                cost += count * asked
                charge += count * asks
        cost = (cost + TOKENS_PER_RATE // 2) // TOKENS_PER_RATE
        charge = (charge + _PER_CHARGE // 2) // _PER_CHARGE
        if cost > MAX_NANO_USD or charge > MAX_NANO_USD:
            return None
        price_version, tariff = self.price.version.version_id, self.rule
        return (
            Rating(cost, price_version, self.price.words),
            Rating(
                charge,
                price_version if tariff.rule.is_markup else None,
                self.charge_reason,
                tariff.version.version_id,
            ),
        )

    def _rates(self, input_tokens: int) -> _Rates:
        threshold = threshold_of(input_tokens, self.price.price.rates)
        rates = self._by_threshold.get(threshold)
        if rates is None:
            rates = self._by_threshold[threshold] = tuple(self._rate(kind, threshold) for kind in TOKEN_KINDS)
        return rates

    def _rate(self, kind: TokenKind, threshold: int) -> tuple[int | None, int | None]:
        asked: int | None
        try:
            asked = rate_of(kind, self.tier, threshold, self.price.price.rates)
        except Unpriced:
            asked = None
        ask = self.rule.rule.asks_for(kind)
        if isinstance(ask, FixedPrice):
            return asked, ask.nano_usd_per_million_tokens * BASIS_POINTS
        return asked, None if ask is None or asked is None else asked * ask.basis_points
