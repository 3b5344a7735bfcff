"""Prices in a provider's body: exact, complete, and by the provider's own names."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_billing.price_file import MAX_RATE
from gateway_billing.pricing import TOKEN_KINDS as LEDGERS_KINDS
from gateway_router.provider_prices import (
    CACHE_KINDS,
    MAX_USD,
    TOKEN_KINDS,
    Rate,
    check_cache_rates,
    checked_prices,
    rates,
)
from gateway_shared.errors import BadRequest


def refusal(prices: dict[str, Any]) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        checked_prices(prices, {"fast": "m"})
    return caught.value


def test_kinds_and_bound_are_the_ledgers() -> None:
    assert TOKEN_KINDS == LEDGERS_KINDS
    assert MAX_USD * 10**9 == MAX_RATE


@pytest.mark.parametrize(
    ("written", "shown", "nano_usd"),
    [
        ("2.50", "2.5", 2_500_000_000),
        (2.5, "2.5", 2_500_000_000),
        (3, "3", 3_000_000_000),
        (0.1, "0.1", 100_000_000),
        (1e-9, "0.000000001", 1),
        ("0.123456789", "0.123456789", 123_456_789),
        ("1000000", "1000000", MAX_RATE),
    ],
)
def test_a_rate_is_exactly_what_was_written(written: object, shown: str, nano_usd: int) -> None:
    prices = checked_prices({"m": {"input": written, "output": "1"}}, {})
    assert prices == {"m": {"input": shown, "output": "1"}}
    assert list(rates(prices)) == [Rate("m", "input", nano_usd), Rate("m", "output", 10**9)]


@given(st.decimals(min_value=0, max_value=MAX_USD, places=9).filter(bool))
def test_every_amount_of_the_ledger_can_be_said(usd: Decimal) -> None:
    prices = checked_prices({"m": {"input": f"{usd:f}", "output": f"{usd:f}"}}, {})
    assert {rate.nano_usd_per_million_tokens for rate in rates(prices)} == {int(usd * 10**9)}
    assert checked_prices(prices, {}) == prices  # what is shown can be sent again


def test_a_gift_has_to_be_called_one() -> None:
    free = {"m": {"input": 0, "output": "0", "free": True}}
    shown = checked_prices(free, {})
    assert shown == {"m": {"input": "0", "output": "0", "free": True}}
    assert checked_prices(shown, {}) == shown
    assert refusal({"m": {"input": 0, "output": 1}}).param == "prices.m"
    assert checked_prices({"m": {"input": 1, "output": 1, "free": True}}, {})["m"] == {"input": "1", "output": "1"}


@pytest.mark.parametrize(
    ("param", "prices"),
    [
        ("prices", {"no such name ": {"input": 1, "output": 1}}),
        ("prices.fast", {"fast": {"input": 1, "output": 1}}),
        ("prices.M", {"m": {"input": 1, "output": 1}, "M": {"input": 1, "output": 1}}),
        ("prices.m", {"m": 1}),
        ("prices.m", {"m": {"input": 1, "output": 1, "priority": 3}}),
        ("prices.m.output", {"m": {"input": 1}}),
        ("prices.m.input", {"m": {"input": None, "output": 1}}),
        ("prices.m.free", {"m": {"input": 0, "output": 0, "free": "yes"}}),
        *(
            ("prices.m.output", {"m": {"input": 1, "output": wrong}})
            for wrong in (-1, "-1", "1,5", "1e3", " 1", "٣", "", "0.1234567891", 1e-10, 1e300, "1000000.1", True, [1])
        ),
    ],
)
def test_a_refusal_names_the_member(param: str, prices: dict[str, Any]) -> None:
    assert refusal(prices).param == param


def test_what_needs_a_price_file_is_said_to() -> None:
    assert "import-prices" in refusal({"m": {"standard": {"0": {"input": 1, "output": 1}}}}).message


@pytest.mark.parametrize("model", ["claude", "Claude", "claude-20250929"])
def test_a_model_with_list_prices_for_cached_tokens_needs_rates_for_them(model: str) -> None:
    listed = {"claude": CACHE_KINDS, "gpt": ["cached_input"], "plain": []}
    said: dict[str, Any] = {"input": 1, "output": 1}
    for kind in CACHE_KINDS:
        with pytest.raises(BadRequest) as caught:
            check_cache_rates(checked_prices({model: said}, {}), listed)
        assert caught.value.param == f"prices.{model}.{kind}"
        said[kind] = 1
    check_cache_rates(checked_prices({model: said}, {}), listed)


def test_a_model_without_such_list_prices_needs_none() -> None:
    plain = {"input": 1, "output": 1}
    listed = {"claude": CACHE_KINDS, "claude-20250929": [], "plain": []}
    check_cache_rates(checked_prices(dict.fromkeys(("plain", "unheard-of", "claude-20250929"), plain), {}), listed)
