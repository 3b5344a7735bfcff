"""A rating, or the reason why there is none."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway_billing.price_book import PriceBook, PriceVersion
from gateway_billing.price_file import ModelPrice
from gateway_billing.pricing import RateKey, Unpriced
from gateway_billing.rating import Rating, Usage, rate_cost
from gateway_shared.usage_event import TokenCounts

AT = datetime(2026, 2, 1, tzinfo=UTC)
BOOK = PriceBook(
    [
        (
            PriceVersion(7, "litellm", 0, AT),
            [ModelPrice("openai", "gpt-4o", {RateKey("input"): 2_500_000_000, RateKey("output"): 10**10}, "test")],
        )
    ]
)
USAGE = Usage(
    "openai",
    "gpt-4o",
    "gpt-4o",
    None,
    AT,
    "provider",
    "settled",
    "standard",
    "standard",
    TokenCounts(input_tokens=9, output_tokens=20),
)
NO_TOKENS = TokenCounts()


def test_a_rating_names_its_price_version_and_price() -> None:
    assert rate_cost(USAGE, BOOK) == Rating(222_500, 7, "litellm: openai/gpt-4o")


def test_estimated_tokens_are_told() -> None:
    assert (
        rate_cost(replace(USAGE, usage_source="estimated"), BOOK).reason == "litellm: openai/gpt-4o; tokens estimated"
    )


@pytest.mark.parametrize(
    ("source", "reason"),
    [("unknown", "0: no usage is known"), ("none", "0: nothing was used")],
)
def test_what_used_nothing_costs_nothing_and_says_why_even_without_a_price(source: str, reason: str) -> None:
    lost = replace(USAGE, model_served=None, model_upstream="no-such-model", usage_source=source, tokens=NO_TOKENS)
    assert rate_cost(lost, BOOK) == Rating(0, None, reason)


def test_an_unknown_model_is_never_zero() -> None:
    with pytest.raises(Unpriced, match="no price for openai/no-such-model"):
        rate_cost(replace(USAGE, model_served="no-such-model", model_upstream="no-such-model"), BOOK)


def test_tokens_of_an_unknown_source_are_priced_all_the_same() -> None:
    assert rate_cost(replace(USAGE, usage_source="unknown"), BOOK).nano_usd == 222_500


def test_zero_tokens_on_the_providers_word_need_a_price() -> None:
    with pytest.raises(Unpriced):
        rate_cost(replace(USAGE, model_served="x", model_upstream="x", tokens=NO_TOKENS), BOOK)
