"""The costs worked out by hand in docs/cost-cases.md, checked three ways: prices, arithmetic, program."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from gateway_billing.price_book import PriceBook, PriceVersion
from gateway_billing.price_file import parse_price_file
from gateway_billing.pricing import RateKey, cost_nano_usd, disjoint_parts, tier_name
from gateway_router.price_export import export_prices
from tests.unit.billing.cost_cases import CostCase, ListPrice, cases, list_prices

OVERRIDES = Path(__file__).parents[3] / "deploy" / "prices" / "overrides.json"
CASES, PRICES = cases(), list_prices()
PROVIDERS = {price.model: price.provider for price in PRICES}


@pytest.fixture(scope="module")
def shipped_book(tmp_path_factory: pytest.TempPathFactory) -> PriceBook:
    """What a new installation imports: LiteLLM's map and our overrides."""
    litellm = tmp_path_factory.mktemp("prices") / "litellm.json"
    export_prices(litellm)
    files = [parse_price_file(path.read_bytes()) for path in (litellm, OVERRIDES)]
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return PriceBook(
        (PriceVersion(number, file.book, file.precedence, start), file.models) for number, file in enumerate(files)
    )


def shipped_rates(book: PriceBook, model: str) -> Mapping[RateKey, int]:
    found = book.find(PROVIDERS[model], model, model, at=datetime(2026, 11, 1, tzinfo=UTC))
    assert found is not None, model
    return found.price.rates


def listed_rates(model: str) -> dict[RateKey, int]:
    return {key: rate for price in PRICES if price.model == model for key, rate in price.rates.items()}


def test_there_are_enough_cases_over_all_providers_kinds_tiers_and_thresholds() -> None:
    assert len(CASES) >= 40
    assert {PROVIDERS[case.model] for case in CASES} == {"openai", "anthropic", "google", "meta"}
    assert {kind for case in CASES for kind, count in disjoint_parts(case.tokens).items() if count} == {
        key.kind for price in PRICES for key in price.rates
    }
    assert {tier_name(case.tier) for case in CASES} == {"standard", "priority", "flex", "batch"}
    assert {key.context_above_tokens for price in PRICES for key in price.rates} == {0, 100_000, 200_000, 272_000}


@pytest.mark.parametrize("price", PRICES, ids=lambda price: f"{price.model} {min(price.rates)}")
def test_the_price_books_that_we_ship_hold_the_list_prices(price: ListPrice, shipped_book: PriceBook) -> None:
    shipped = shipped_rates(shipped_book, price.model)
    tiers = {(key.service_tier, key.context_above_tokens) for key in price.rates}
    held = {key: rate for key, rate in shipped.items() if (key.service_tier, key.context_above_tokens) in tiers}
    assert held == price.rates


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.model} {case.tier} {case.nano_usd}")
def test_the_arithmetic_by_hand_is_right_and_rounds_to_the_amount(case: CostCase) -> None:
    assert len(set(case.steps)) == 1, case.arithmetic
    assert int((case.steps[0] * 1000).quantize(Decimal(1), ROUND_HALF_UP)) == case.nano_usd


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.model} {case.tier} {case.nano_usd}")
def test_the_program_finds_the_amount_worked_out_by_hand(case: CostCase, shipped_book: PriceBook) -> None:
    assert cost_nano_usd(case.tokens, case.tier, shipped_rates(shipped_book, case.model)) == case.nano_usd
    assert cost_nano_usd(case.tokens, case.tier, listed_rates(case.model)) == case.nano_usd
