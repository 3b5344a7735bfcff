"""Charges worked out by hand: tokens x USD per million tokens x the markup, the sum written beside each case."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_billing.books import Books, rate
from gateway_billing.charging import Uncharged, charge_nano_usd, policy_for
from gateway_billing.price_book import PriceBook, PriceVersion
from gateway_billing.price_file import ModelPrice
from gateway_billing.pricing import TOKEN_KINDS, RateKey, Rates, cost_nano_usd
from gateway_billing.rating import Rating, Usage
from gateway_billing.tariff_book import TariffBook
from gateway_billing.tariff_rule import Policies
from gateway_shared.usage_event import TokenCounts
from tests.unit.billing.tariffs import FULL, JANUARY, fixed, markup, rule, tariff_book, tariff_file


def usd(tier: str = "standard", above: int = 0, **usd_per_million: float) -> dict[RateKey, int]:
    return {RateKey(kind, tier, above): round(rate_usd * 10**9) for kind, rate_usd in usd_per_million.items()}  # type: ignore[arg-type]


GPT_4O = usd(input=2.50, cached_input=1.25, output=10) | usd("priority", input=4.25, cached_input=2.125, output=17)
SONNET_4_5 = usd(input=3, cached_input=0.30, cache_write_5m=3.75, cache_write_1h=6, output=15)
GEMINI_2_5_PRO = usd(input=1.25, cached_input=0.125, output=10) | usd(above=200_000, input=2.50, output=15)
GPT_AUDIO = usd(input=2.50, input_audio=40, output=10, output_audio=80)
QWEN = usd(input=0.50, output=1, reasoning=4)

AT = datetime(2026, 2, 1, tzinfo=UTC)
PLAIN = TokenCounts(input_tokens=9, output_tokens=20)


@dataclass(frozen=True)
class Case:
    name: str
    asks: dict[str, Any]
    rates: Rates | None
    tokens: TokenCounts
    nano_usd: int
    tier: str | None = None


CASES = [
    # (9 x 2.50 + 20 x 10) x 1.2 = 222.5 x 1.2 = 267 micro-USD
    Case("1.2 times the cost", {"*": markup(12_000)}, GPT_4O, PLAIN, 267_000),
    # 86 x 2.50 x 1.25 = 268.75; 1,920 x 1.25 x 1 = 2,400; 300 x 10 x 1.25 = 3,750; sum 6,418.75
    Case(
        "cached input at our cost",
        {"*": markup(12_500), "cached_input": markup(10_000)},
        GPT_4O,
        TokenCounts(input_tokens=2006, cached_input_tokens=1920, output_tokens=300),
        6_418_750,
    ),
    # 9 x 3 = 27; 20 x 12 = 240; sum 267, whatever it costs us
    Case("fixed, cost unknown", {"input": fixed(3), "output": fixed(12)}, None, PLAIN, 267_000),
    # 1,000 x 2.50 x 1.1 = 2,750; 500 x 12 = 6,000; sum 8,750
    Case(
        "one marked up, one fixed",
        {"input": markup(11_000), "output": fixed(12)},
        GPT_4O,
        TokenCounts(input_tokens=1000, output_tokens=500),
        8_750_000,
    ),
    # priority: 1,000 x 4.25 x 1.2 = 5,100
    Case(
        "the tier's own rate is marked up",
        {"*": markup(12_000)},
        GPT_4O,
        TokenCounts(input_tokens=1000),
        5_100_000,
        "priority",
    ),
    # above 200,000: 250,000 x 2.50 x 1.1 = 687,500; 1,000 x 15 x 1.1 = 16,500; sum 704,000
    Case(
        "the threshold's own rate is marked up",
        {"*": markup(11_000)},
        GEMINI_2_5_PRO,
        TokenCounts(input_tokens=250_000, output_tokens=1000),
        704_000_000,
    ),
    # (500 x 3 + 100 x 3.75 + 2,000 x 6 + 10 x 15) x 1.1 = (1,500 + 375 + 12,000 + 150) x 1.1 = 15,427.5
    Case(
        "cache writes of both lifetimes",
        {"*": markup(11_000)},
        SONNET_4_5,
        TokenCounts(input_tokens=2600, cache_write_5m_tokens=100, cache_write_1h_tokens=2000, output_tokens=10),
        15_427_500,
    ),
    # (60 + 40 + 30 + 20) x 5 = 750
    Case(
        "one fixed price for all kinds",
        {"*": fixed(5)},
        None,
        TokenCounts(input_tokens=100, input_audio_tokens=40, output_tokens=50, output_audio_tokens=20),
        750_000,
    ),
    # 60 x 2.50 = 150; 40 x 40 x 1.5 = 2,400; 30 x 10 = 300; 20 x 80 x 1.5 = 2,400; sum 5,250
    Case(
        "audio marked up more",
        {"*": markup(10_000), "input_audio": markup(15_000), "output_audio": markup(15_000)},
        GPT_AUDIO,
        TokenCounts(input_tokens=100, input_audio_tokens=40, output_tokens=50, output_audio_tokens=20),
        5_250_000,
    ),
    # reasoning is asked for as output: 40 x 10 x 2 = 800; 60 x 10 x 2 = 1,200; sum 2,000
    Case(
        "reasoning falls back to output",
        {"*": markup(10_000), "output": markup(20_000)},
        GPT_4O,
        TokenCounts(output_tokens=100, reasoning_tokens=60),
        2_000_000,
    ),
    # reasoning has a cost rate of its own: 40 x 1 x 2 = 80; 60 x 4 x 2 = 480; sum 560
    Case(
        "reasoning at its own rate, marked up as output",
        {"*": markup(10_000), "output": markup(20_000)},
        QWEN,
        TokenCounts(output_tokens=100, reasoning_tokens=60),
        560_000,
    ),
    # one token at 0.0005 USD a million is 0.5 nano-USD: times 0.9999 it is 0.49995, which is 0
    Case("rounded once, down", {"*": markup(9_999)}, {RateKey("input"): 500_000}, TokenCounts(input_tokens=1), 0),
    # times 1 it is 0.5, which is 1
    Case("rounded once, up", {"*": markup(10_000)}, {RateKey("input"): 500_000}, TokenCounts(input_tokens=1), 1),
    # three tokens at 0.0005 x 1.1 are 1.65, which is 2: rounded by kind they would be 1 + 1 + 1
    Case(
        "rounded at the end",
        {"*": markup(11_000)},
        {RateKey("input"): 500_000, RateKey("output"): 500_000, RateKey("cached_input"): 500_000},
        TokenCounts(input_tokens=2, cached_input_tokens=1, output_tokens=1),
        2,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_charge_is_what_was_worked_out_by_hand(case: Case) -> None:
    (found,) = tariff_file(rule(rates=case.asks)).rules
    assert charge_nano_usd(case.tokens, case.tier, found, case.rates) == case.nano_usd


@pytest.mark.parametrize(
    ("asks", "rates", "tokens", "missing"),
    [
        ({"*": markup(12_000)}, None, PLAIN, "marks up a price that is not known"),
        ({"input": fixed(1)}, None, PLAIN, "asks nothing for output tokens"),
        ({"*": markup(12_000)}, {RateKey("input"): 1}, PLAIN, "no rate for output tokens"),
        ({"*": fixed(1)}, None, TokenCounts(input_tokens=1, cached_input_tokens=2), "exceed the input tokens"),
        ({"*": fixed(1000)}, None, TokenCounts(input_tokens=2**53 - 1), "beyond any bill"),
    ],
)
def test_where_a_rate_is_missing_there_is_no_charge(
    asks: dict[str, Any], rates: Rates | None, tokens: TokenCounts, missing: str
) -> None:
    (found,) = tariff_file(rule(rates=asks)).rules
    with pytest.raises(Uncharged, match=missing):
        charge_nano_usd(tokens, None, found, rates)


POLICIES = Policies(partial="full", failed="free", unknown="free", estimated="at_cost")


@pytest.mark.parametrize(
    ("status", "usage_source", "policy", "why"),
    [
        ("settled", "provider", "full", ""),
        ("settled", "estimated", "at_cost", "tokens estimated"),
        ("partial", "provider", "full", "cut stream"),
        ("partial", "drained", "full", "cut stream"),
        ("partial", "estimated", "at_cost", "tokens estimated"),  # the better one for the tenant
        ("failed", "estimated", "free", "failed call"),
        ("unknown", "estimated", "free", "end or usage not known"),
        ("partial", "unknown", "free", "end or usage not known"),
    ],
)
def test_of_several_policies_the_best_for_the_tenant_counts(
    status: str, usage_source: str, policy: str, why: str
) -> None:
    assert policy_for(status, usage_source, POLICIES) == (policy, why)


PRICES = PriceBook([(PriceVersion(7, "litellm", 0, JANUARY), [ModelPrice("openai", "gpt-4o", GPT_4O, "test")])])
TARIFFS = tariff_book(
    rule("standard", "*", rates={"*": markup(12_000)}, policies=FULL | {"partial": "at_cost", "failed": "free"}),
    rule("langchain", "agents", rates={"*": fixed(10)}),
)
USAGE = Usage("openai", "gpt-4o", "gpt-4o", None, AT, "provider", "settled", "standard", "any", PLAIN)


def charge(usage: Usage, tariffs: TariffBook = TARIFFS) -> Rating | None:
    return rate(usage, Books(PRICES, tariffs)).charge


def test_a_charge_names_its_rule_its_tariff_and_the_price_that_it_marks_up() -> None:
    assert charge(USAGE) == Rating(267_000, 7, "rule 1 (standard/*/*/*)", 3)


def test_a_fixed_charge_needs_no_price_and_names_none() -> None:
    unknown = replace(USAGE, channel="langchain", plan_id="agents", model_served="x", model_upstream="x")
    ratings = rate(unknown, Books(PRICES, TARIFFS))
    assert ratings.cost is None
    assert ratings.charge == Rating(290_000, None, "rule 2 (langchain/agents/*/*)", 3)


@pytest.mark.parametrize(
    ("status", "nano_usd", "how"), [("partial", 222_500, "at cost: cut stream"), ("failed", 0, "free: failed call")]
)
def test_a_policy_is_told_in_the_reason(status: str, nano_usd: int, how: str) -> None:
    rating = charge(replace(USAGE, status=status))
    assert rating is not None
    assert (rating.nano_usd, rating.reason) == (nano_usd, f"rule 1 (standard/*/*/*); {how}")


def test_what_is_not_plain_about_the_price_is_told_with_the_charge() -> None:
    rating = charge(
        replace(USAGE, model_served="gpt-4o-2031-01-01", model_upstream="gpt-4o-2031-01-01", usage_source="estimated")
    )
    assert rating is not None
    assert rating.reason == "rule 1 (standard/*/*/*); by the name without its date; tokens estimated"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"plan_id": "x", "channel": "langchain"}, "no tariff rule for channel langchain, plan x"),
        ({"model_served": "x", "model_upstream": "x"}, "marks up a price that is not known"),
        ({"model_served": "x", "model_upstream": "x", "status": "partial"}, "the cost is not known"),
    ],
)
def test_without_a_rule_or_a_price_to_mark_up_there_is_no_charge_and_it_says_why(
    changes: dict[str, Any], why: str
) -> None:
    ratings = rate(replace(USAGE, **changes), Books(PRICES, TARIFFS))
    assert ratings.charge is None
    assert why in ratings.why


def test_a_free_call_is_free_also_where_its_price_is_not_known() -> None:
    rating = charge(replace(USAGE, model_served="x", model_upstream="x", status="failed"))
    assert rating is not None
    assert rating.nano_usd == 0


@pytest.mark.parametrize("source", ["none", "unknown"])
def test_what_used_nothing_is_charged_nothing_even_without_a_tariff(source: str) -> None:
    nothing = replace(USAGE, plan_id="x", channel="langchain", usage_source=source, tokens=TokenCounts())
    ratings = rate(nothing, Books(PRICES, TARIFFS))
    assert ratings.charge == ratings.cost
    assert ratings.charge is not None
    assert ratings.charge.nano_usd == 0


@st.composite
def token_counts(draw: st.DrawFn, each: st.SearchStrategy[int] = st.integers(0, 10**9)) -> TokenCounts:
    """`each`: how many of one kind."""
    cached, write_5m, write_1h, audio_in, text_in, reasoning, audio_out, text_out = draw(
        st.lists(each, min_size=8, max_size=8)
    )
    return TokenCounts(
        input_tokens=text_in + cached + write_5m + write_1h + audio_in,
        cached_input_tokens=cached,
        cache_write_5m_tokens=write_5m,
        cache_write_1h_tokens=write_1h,
        input_audio_tokens=audio_in,
        output_tokens=text_out + reasoning + audio_out,
        reasoning_tokens=reasoning,
        output_audio_tokens=audio_out,
    )


RATES = st.fixed_dictionaries({RateKey(kind): st.integers(1, 10**11) for kind in TOKEN_KINDS})
(AT_COST,) = tariff_file(rule(rates={"*": markup(10_000)})).rules


@given(token_counts(), RATES)
def test_a_markup_of_10000_basis_points_on_every_kind_is_the_cost(tokens: TokenCounts, rates: Rates) -> None:
    assert charge_nano_usd(tokens, None, AT_COST, rates) == cost_nano_usd(tokens, None, rates)


@given(token_counts(), RATES, st.integers(1, 1_000_000), st.integers(1, 1_000_000))
def test_a_higher_markup_is_never_a_lower_charge(tokens: TokenCounts, rates: Rates, one: int, other: int) -> None:
    low, high = (
        charge_nano_usd(tokens, None, tariff_file(rule(rates={"*": markup(basis_points)})).rules[0], rates)
        for basis_points in sorted((one, other))
    )
    assert low <= high


@given(token_counts(), RATES)
def test_fixed_prices_equal_to_the_cost_rates_are_the_cost(tokens: TokenCounts, rates: dict[RateKey, int]) -> None:
    asks = {key.kind: {"nano_usd_per_million_tokens": nano_usd} for key, nano_usd in rates.items()}
    (same,) = tariff_file(rule(rates=asks)).rules
    assert charge_nano_usd(tokens, None, same, None) == cost_nano_usd(tokens, None, rates)
