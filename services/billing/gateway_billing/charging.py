"""What the tenant pays for one event, by the tariff: integer nano-USD before volume discounts. Pure.

Each token once, as in `pricing`, at what the rule asks for its kind: a multiple of the rate that the
provider asks of us for it, or a fixed price whatever it costs us. The sum is rounded half up, once;
so a markup of 10000 basis points on every kind is exactly the cost. Where several policies apply to
an event (a cut stream with estimated tokens), the one that is best for the tenant counts.
"""

from gateway_billing.price_book import PriceBook
from gateway_billing.pricing import (
    MAX_NANO_USD,
    TOKENS_PER_RATE,
    Rates,
    Unpriced,
    disjoint_parts,
    rate_of,
    threshold_of,
    tier_name,
)
from gateway_billing.rating import Rating, Usage, nothing_to_rate
from gateway_billing.tariff_book import FoundRule, TariffBook
from gateway_billing.tariff_rule import POLICIES, FixedPrice, Policies, Policy, TariffRule
from gateway_shared.usage_event import TokenCounts

BASIS_POINTS = 10_000
_PER_RATE = TOKENS_PER_RATE * BASIS_POINTS


class Uncharged(Exception):
    """No charge can be stated; the text says what is missing."""


def rate_charge(usage: Usage, tariffs: TariffBook, prices: PriceBook, cost: Rating | None) -> Rating:
    """`cost` is the event's own, None when it is unpriced. Raises Uncharged: an unknown charge is never 0."""
    nothing = nothing_to_rate(usage)
    if nothing is not None:
        return nothing
    found = tariffs.find(
        usage.channel,
        usage.plan_id,
        usage.price_provider,
        usage.model_served,
        usage.model_upstream,
        at=usage.started_at,
    )
    if found is None:
        raise Uncharged(f"no tariff rule for channel {usage.channel}, plan {usage.plan_id}")
    policy, why = policy_for(usage.status, usage.usage_source, found.rule.policies)
    if policy == "free":
        return _rating(found, 0, None, f"free: {why}")
    if policy == "at_cost":
        if cost is None:
            raise Uncharged(f"at cost ({why}), and the cost is not known")
        return _rating(found, cost.nano_usd, cost.price_version, f"at cost: {why}")
    return _full(usage, found, prices, why)


def policy_for(status: str, usage_source: str, policies: Policies) -> tuple[Policy, str]:
    """The policy that counts, with what it is for in words ("" for a call that has no policy)."""
    applicable: list[tuple[Policy, str]] = []
    if status == "partial":
        applicable.append((policies.partial, "cut stream"))
    elif status == "failed":
        applicable.append((policies.failed, "failed call"))
    if "unknown" in (status, usage_source):
        applicable.append((policies.unknown, "end or usage not known"))
    elif usage_source == "estimated":
        applicable.append((policies.estimated, "tokens estimated"))
    return min(applicable, key=lambda one: POLICIES.index(one[0])) if applicable else ("full", "")


def charge_nano_usd(tokens: TokenCounts, service_tier: str | None, rule: TariffRule, cost_rates: Rates | None) -> int:
    """`cost_rates` is what the provider asks for the model, None when nobody knows. Raises Uncharged."""
    tier = tier_name(service_tier)
    threshold = threshold_of(tokens.input_tokens, cost_rates or {})
    total = 0  # nano-USD x 10,000 per million tokens
    try:
        for kind, count in disjoint_parts(tokens).items():
            ask = rule.asks_for(kind)
            if ask is None:
                raise Uncharged(f"{rule} asks nothing for {kind} tokens")
            if isinstance(ask, FixedPrice):
                total += count * ask.nano_usd_per_million_tokens * BASIS_POINTS
            elif cost_rates is None:
                raise Uncharged(f"{rule} marks up a price that is not known")
            else:
                total += count * rate_of(kind, tier, threshold, cost_rates) * ask.basis_points
    except Unpriced as error:
        raise Uncharged(str(error)) from error
    amount = (total + _PER_RATE // 2) // _PER_RATE
    if amount > MAX_NANO_USD:
        raise Uncharged("the amount is beyond any bill")
    return amount


def _full(usage: Usage, found: FoundRule, prices: PriceBook, why: str) -> Rating:
    price = None
    if found.rule.is_markup:
        price = prices.find(usage.price_provider, usage.model_served, usage.model_upstream, at=usage.started_at)
    if price is None:
        return _rating(found, charge_nano_usd(usage.tokens, usage.service_tier, found.rule, None), None, why)
    nano_usd = charge_nano_usd(usage.tokens, usage.service_tier, found.rule, price.price.rates)
    return _rating(found, nano_usd, price.version.version_id, "; ".join(part for part in (price.remark, why) if part))


def _rating(found: FoundRule, nano_usd: int, price_version: int | None, how: str) -> Rating:
    reason = f"{found.words}; {how}" if how else found.words
    return Rating(nano_usd, price_version, reason, found.version.version_id)
