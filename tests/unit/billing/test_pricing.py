"""Costs worked out by hand: tokens x USD per million tokens, the sum written beside each case.

The rules one by one; test_cost_cases.py has them on today's list prices.
"""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_billing.pricing import RateKey, Rates, TokenKind, Unpriced, cost_nano_usd, disjoint_parts
from gateway_shared.usage_event import TokenCounts


def usd(tier: str = "standard", above: int = 0, **usd_per_million: float) -> dict[RateKey, int]:
    return {
        RateKey(kind, tier, above): round(rate * 10**9)  # type: ignore[arg-type]
        for kind, rate in usd_per_million.items()
    }


GPT_4O = usd(input=2.50, cached_input=1.25, output=10) | usd("priority", input=4.25, cached_input=2.125, output=17)
SONNET_4_5 = usd(input=3, cached_input=0.30, cache_write_5m=3.75, cache_write_1h=6, output=15)
GEMINI_2_5_FLASH = usd(input=0.30, cached_input=0.03, input_audio=1, output=2.50, reasoning=2.50) | usd(
    "priority", input=0.54, cached_input=0.054, input_audio=1.80, output=4.50
)
GEMINI_2_5_PRO = (
    usd(input=1.25, cached_input=0.125, output=10)
    | usd(above=200_000, input=2.50, cached_input=0.25, output=15)
    | usd("flex", input=0.625, cached_input=0.125, output=5)
)
GPT_5 = usd(input=1.25, cached_input=0.125, output=10) | usd("flex", input=0.625, cached_input=0.0625, output=5)
GPT_4O_AUDIO_PREVIEW = usd(input=2.50, input_audio=40, output=10, output_audio=80)
LLAMA = usd(input=0.88, output=0.88)
QWEN = usd(input=0.50, output=1, reasoning=4)
CHEAP = usd(input=0.0005, output=0.0005)


@dataclass(frozen=True)
class Case:
    name: str
    rates: Rates
    tokens: TokenCounts
    nano_usd: int
    tier: str | None = None


CASES = [
    # 86 x 2.50 = 215; 1,920 x 1.25 = 2,400; 300 x 10 = 3,000; sum 5,615 micro-USD (LITELLM.md: 0.005615 USD)
    Case(
        "gpt-4o, cached", GPT_4O, TokenCounts(input_tokens=2006, cached_input_tokens=1920, output_tokens=300), 5_615_000
    ),
    # 1,000 x 0.30 = 300; 3,000 x 3.75 = 11,250; 300 x 15 = 4,500; sum 16,050 (LITELLM.md: 0.01605 USD)
    Case(
        "sonnet, cache read and 5-minute write",
        SONNET_4_5,
        TokenCounts(input_tokens=4000, cached_input_tokens=1000, cache_write_5m_tokens=3000, output_tokens=300),
        16_050_000,
    ),
    # the same without output: 300 + 11,250 = 11,550 (LITELLM.md: 0.01155 USD)
    Case(
        "sonnet, no output",
        SONNET_4_5,
        TokenCounts(input_tokens=4000, cached_input_tokens=1000, cache_write_5m_tokens=3000),
        11_550_000,
    ),
    # 500 x 3 = 1,500; 2,000 x 6 = 12,000; 100 x 3.75 = 375; 10 x 15 = 150; sum 14,025
    Case(
        "sonnet, both cache lifetimes",
        SONNET_4_5,
        TokenCounts(input_tokens=2600, cache_write_5m_tokens=100, cache_write_1h_tokens=2000, output_tokens=10),
        14_025_000,
    ),
    # 9 x 2.50 = 22.5; 20 x 10 = 200; sum 222.5
    Case("gpt-4o, plain", GPT_4O, TokenCounts(input_tokens=9, output_tokens=20), 222_500),
    # priority in the response: 1,000 x 4.25 = 4,250; 500 x 17 = 8,500; sum 12,750
    Case("gpt-4o, priority", GPT_4O, TokenCounts(input_tokens=1000, output_tokens=500), 12_750_000, "priority"),
    # priority, all cached: 1,000 x 2.125 = 2,125
    Case(
        "gpt-4o, priority cached",
        GPT_4O,
        TokenCounts(input_tokens=1000, cached_input_tokens=1000),
        2_125_000,
        "priority",
    ),
    # "default" is the standard tier: 1,000 x 2.50 = 2,500
    Case("gpt-4o, tier default", GPT_4O, TokenCounts(input_tokens=1000), 2_500_000, "default"),
    # reasoning 900 is inside output 1,000, and costs as output: 100 x 1.25 = 125; 1,000 x 10 = 10,000; sum 10,125
    Case(
        "gpt-5, reasoning", GPT_5, TokenCounts(input_tokens=100, output_tokens=1000, reasoning_tokens=900), 10_125_000
    ),
    # flex: 800 x 0.625 = 500; 200 x 0.0625 = 12.5; 100 x 5 = 500; sum 1,012.5
    Case(
        "gpt-5, flex",
        GPT_5,
        TokenCounts(input_tokens=1000, cached_input_tokens=200, output_tokens=100, reasoning_tokens=60),
        1_012_500,
        "flex",
    ),
    # 200,000 is not above 200,000: 200,000 x 1.25 = 250,000; 1,000 x 10 = 10,000; sum 260,000
    Case(
        "gemini pro, at the threshold",
        GEMINI_2_5_PRO,
        TokenCounts(input_tokens=200_000, output_tokens=1000),
        260_000_000,
    ),
    # one more, and all of it is dearer: 200,001 x 2.50 = 500,002.5; 1,000 x 15 = 15,000; sum 515,002.5
    Case("gemini pro, above", GEMINI_2_5_PRO, TokenCounts(input_tokens=200_001, output_tokens=1000), 515_002_500),
    # the cached part counts for the threshold: 50,000 x 2.50 = 125,000; 160,000 x 0.25 = 40,000; sum 165,000
    Case(
        "gemini pro, above by cached input",
        GEMINI_2_5_PRO,
        TokenCounts(input_tokens=210_000, cached_input_tokens=160_000),
        165_000_000,
    ),
    # 100 x 0.30 = 30; 400 x 1 = 400; 50 x 2.50 = 125 of which 30 reasoning; sum 555
    Case(
        "gemini flash, audio in",
        GEMINI_2_5_FLASH,
        TokenCounts(input_tokens=500, input_audio_tokens=400, output_tokens=50, reasoning_tokens=30),
        555_000,
    ),
    # priority has no rate for reasoning, its output rate counts: 100 x 0.54 = 54; 50 x 4.50 = 225; sum 279
    Case(
        "gemini flash, priority reasoning",
        GEMINI_2_5_FLASH,
        TokenCounts(input_tokens=100, output_tokens=50, reasoning_tokens=30),
        279_000,
        "priority",
    ),
    # 10 x 2.50 = 25; 90 x 40 = 3,600; 20 x 10 = 200; 80 x 80 = 6,400; sum 10,225
    Case(
        "gpt-4o-audio-preview",
        GPT_4O_AUDIO_PREVIEW,
        TokenCounts(input_tokens=100, input_audio_tokens=90, output_tokens=100, output_audio_tokens=80),
        10_225_000,
    ),
    # reasoning with a rate of its own: 100 x 0.50 = 50; 60 x 1 = 60; 40 x 4 = 160; sum 270
    Case(
        "own rate for reasoning", QWEN, TokenCounts(input_tokens=100, output_tokens=100, reasoning_tokens=40), 270_000
    ),
    # 9 x 0.88 = 7.92; 20 x 0.88 = 17.6; sum 25.52
    Case("llama", LLAMA, TokenCounts(input_tokens=9, output_tokens=20), 25_520),
    # 1 x 0.0005 = 0.5 nano-USD: a half is rounded up
    Case("half a nano-USD", CHEAP, TokenCounts(input_tokens=1), 1),
    # the exact boundary, at one token: 0.499999, 0.5 and 0.500001 nano-USD; and 1.499999 and 2.5
    Case("just below a half", {RateKey("input"): 499_999}, TokenCounts(input_tokens=1), 0),
    Case("a half", {RateKey("input"): 500_000}, TokenCounts(input_tokens=1), 1),
    Case("just above a half", {RateKey("input"): 500_001}, TokenCounts(input_tokens=1), 1),
    Case("just below one and a half", {RateKey("input"): 1_499_999}, TokenCounts(input_tokens=1), 1),
    Case("an even half, up all the same", {RateKey("input"): 2_500_000}, TokenCounts(input_tokens=1), 3),
    # 2 x 0.5 + 1 x 0.5 = 1.5 nano-USD: rounded once, at the end, not three halves to 3
    Case("rounded once", CHEAP, TokenCounts(input_tokens=2, output_tokens=1), 2),
    Case("no tokens", GPT_4O, TokenCounts(), 0),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_cost_is_what_was_worked_out_by_hand(case: Case) -> None:
    assert cost_nano_usd(case.tokens, case.tier, case.rates) == case.nano_usd


def without(rates: Rates, kind: TokenKind) -> Rates:
    return {key: rate for key, rate in rates.items() if key.kind != kind}


@pytest.mark.parametrize(
    ("rates", "tokens", "tier", "reason"),
    [
        (without(GPT_4O, "cached_input"), TokenCounts(input_tokens=9, cached_input_tokens=8), None, "cached_input"),
        (without(SONNET_4_5, "cache_write_1h"), TokenCounts(input_tokens=9, cache_write_1h_tokens=8), None, "1h"),
        (without(SONNET_4_5, "cache_write_5m"), TokenCounts(input_tokens=9, cache_write_5m_tokens=8), None, "5m"),
        (LLAMA, TokenCounts(input_tokens=9, input_audio_tokens=8), None, "input_audio"),
        (LLAMA, TokenCounts(output_tokens=9, output_audio_tokens=8), None, "output_audio"),
        (LLAMA, TokenCounts(input_tokens=9), "priority", "service tier priority"),
        (GPT_4O, TokenCounts(input_tokens=9), "ultrafast", "service tier ultrafast"),
        (GEMINI_2_5_PRO, TokenCounts(input_tokens=300_000), "flex", "above 200000 input tokens"),
        (GPT_4O, TokenCounts(input_tokens=5, cached_input_tokens=6), None, "exceed the input"),
        (GPT_4O, TokenCounts(output_tokens=5, reasoning_tokens=6), None, "exceed the output"),
        (usd(input=1000), TokenCounts(input_tokens=2**53 - 1), None, "beyond any bill"),
    ],
)
def test_a_gap_in_the_price_book_is_told_and_never_guessed(
    rates: Rates, tokens: TokenCounts, tier: str | None, reason: str
) -> None:
    with pytest.raises(Unpriced, match=reason):
        cost_nano_usd(tokens, tier, rates)


COUNTS = st.integers(0, 10**6)


@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_every_token_is_billed_exactly_once(
    text: int, cached: int, write_5m: int, write_1h: int, out: int, reasoning: int
) -> None:
    tokens = TokenCounts(
        input_tokens=text + cached + write_5m + write_1h,
        cached_input_tokens=cached,
        cache_write_5m_tokens=write_5m,
        cache_write_1h_tokens=write_1h,
        output_tokens=out + reasoning,
        reasoning_tokens=reasoning,
    )
    assert sum(disjoint_parts(tokens).values()) == tokens.input_tokens + tokens.output_tokens
    at_one_rate = {RateKey(kind): 10**9 for kind in disjoint_parts(tokens)}
    assert cost_nano_usd(tokens, None, at_one_rate) == (tokens.input_tokens + tokens.output_tokens) * 1000


@given(COUNTS, COUNTS)
def test_more_output_never_costs_less(tokens: int, more: int) -> None:
    counts = TokenCounts(input_tokens=100, output_tokens=tokens)
    assert cost_nano_usd(replace(counts, output_tokens=tokens + more), None, GPT_4O) >= cost_nano_usd(
        counts, None, GPT_4O
    )
