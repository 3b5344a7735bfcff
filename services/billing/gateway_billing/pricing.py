"""From token counts and rates to integer nano-USD. Pure.

A rate is nano-USD per million tokens, found by kind of token, service tier and context threshold.
The rules, each chosen so that a gap in the price book is told rather than guessed:

- the parts of a total are taken out of it first, so nothing is counted twice;
- the highest threshold that the request's input exceeds counts for all its tokens, output included;
- every kind of token that occurs needs a rate in that tier at that threshold. Only reasoning falls
  back, to the output rate, since providers bill it as output unless they publish otherwise. A cached
  token is never billed at the full rate, nor a one-hour cache write at the five-minute rate;
- the tier is the one in the provider's answer. Cached and audio tokens are taken as disjoint.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from gateway_shared.usage_event import TokenCounts

TokenKind = Literal[
    "input", "cached_input", "cache_write_5m", "cache_write_1h", "input_audio", "output", "reasoning", "output_audio"
]
TOKEN_KINDS: tuple[TokenKind, ...] = get_args(TokenKind)

STANDARD_TIER = "standard"
_TIER_NAMES = {
    "auto": STANDARD_TIER,
    "default": STANDARD_TIER,
    "on_demand": STANDARD_TIER,
    "standard_only": STANDARD_TIER,
    "batches": "batch",
    "fast": "priority",  # OpenAI's own second name for it (developers.openai.com/api/docs/guides/fast-mode)
}
"""What providers call the tiers that we name otherwise; any other name is looked up as it is."""

MAX_NANO_USD = 2**63 - 1
TOKENS_PER_RATE = 1_000_000


class Unpriced(Exception):
    """No amount can be stated; the text says which rate is missing."""


class RateKey(NamedTuple):
    """What a rate is for; `context_above_tokens` 0 is for any request. A tuple, since every rating looks several up."""

    kind: TokenKind
    service_tier: str = STANDARD_TIER
    context_above_tokens: int = 0

    @property
    def sort_key(self) -> tuple[bool, str, int, int]:
        """As people read a price list: the standard tier first, kinds in their order."""
        is_special = self.service_tier != STANDARD_TIER
        return is_special, self.service_tier, self.context_above_tokens, TOKEN_KINDS.index(self.kind)


Rates = Mapping[RateKey, int]
"""Nano-USD per million tokens."""


def cost_nano_usd(tokens: TokenCounts, service_tier: str | None, rates: Rates) -> int:
    """The cost of one attempt, rounded half up once, at the end. Raises Unpriced."""
    tier = tier_name(service_tier)
    threshold = threshold_of(tokens.input_tokens, rates)
    total = 0
    for kind, count in disjoint_parts(tokens).items():
        total += count * rate_of(kind, tier, threshold, rates)
    amount = (total + TOKENS_PER_RATE // 2) // TOKENS_PER_RATE
    if amount > MAX_NANO_USD:
        raise Unpriced("the amount is beyond any bill")
    return amount


def tier_name(service_tier: str | None) -> str:
    """Our name for a provider's service tier."""
    if not service_tier:
        return STANDARD_TIER
    name = service_tier.casefold()
    return _TIER_NAMES.get(name, name)


def disjoint_parts(tokens: TokenCounts) -> dict[TokenKind, int]:
    """Every token once, by the kind it is billed as, for the kinds that occur.

    Raises Unpriced when the parts exceed their total.
    """
    counts = counts_by_kind(tokens)
    parts = {kind: count for kind, count in zip(TOKEN_KINDS, counts, strict=True) if count}
    if parts.get("input", 0) < 0:
        raise Unpriced("cached, cache-write and audio tokens exceed the input tokens")
    if parts.get("output", 0) < 0:
        raise Unpriced("reasoning and audio tokens exceed the output tokens")
    return parts


def counts_by_kind(tokens: TokenCounts) -> tuple[int, ...]:
    """In the order of TOKEN_KINDS; below 0 where parts exceed their total."""
    return (
        tokens.input_tokens
        - tokens.cached_input_tokens
        - tokens.cache_write_5m_tokens
        - tokens.cache_write_1h_tokens
        - tokens.input_audio_tokens,
        tokens.cached_input_tokens,
        tokens.cache_write_5m_tokens,
        tokens.cache_write_1h_tokens,
        tokens.input_audio_tokens,
        tokens.output_tokens - tokens.reasoning_tokens - tokens.output_audio_tokens,
        tokens.reasoning_tokens,
        tokens.output_audio_tokens,
    )


def threshold_of(input_tokens: int, rates: Rates) -> int:
    """The highest threshold of the model, in whatever tier, that the input exceeds."""
    highest = 0
    for _, _, above in rates:
        if highest < above < input_tokens:
            highest = above
    return highest


def rate_of(kind: TokenKind, tier: str, threshold: int, rates: Rates) -> int:
    """The rate for that kind of token in our tier's name at that threshold. Raises Unpriced."""
    rate = _rate(kind, tier, threshold, rates)
    if rate is None and kind == "reasoning":
        rate = _rate("output", tier, threshold, rates)
    if rate is not None:
        return rate
    above = f" above {threshold} input tokens" if threshold else ""
    raise Unpriced(f"no rate for {kind} tokens in service tier {tier}{above}")


def _rate(kind: TokenKind, tier: str, threshold: int, rates: Rates) -> int | None:
    # a plain tuple, which is equal to the RateKey, since making one costs three times the look
    return rates.get((kind, tier, threshold))  # type: ignore[call-overload,no-any-return]
