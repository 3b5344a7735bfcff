"""Prices in the body of a provider: checked, and kept as exact decimals in text. Pure.

    {"gpt-4o": {"input": "2.5", "cached_input": "1.25", "output": "10"},
     "tiny": {"input": 0, "output": 0, "free": true}}

USD per 1,000,000 tokens, by the provider's own name of a model, for its standard tier and any context. Rates by tier
or by context are for price files (`gateway_billing import-prices`).
"""

import re
from collections.abc import Collection, Container, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from gateway_router.json_members import checked_text, refused
from gateway_router.model_name import MODEL, MODEL_WORDS, list_names

TOKEN_KINDS = (
    "input", "cached_input", "cache_write_5m", "cache_write_1h", "input_audio", "output", "reasoning", "output_audio",
)  # fmt: skip
"""As the ledger calls them (billing.price.token_kind)."""

MAX_MODELS = 200
MAX_USD = 1_000_000
"""A USD for a token: anything above is a slip of the unit."""

CACHE_KINDS = ("cached_input", "cache_write_5m", "cache_write_1h")
"""What a provider counts apart where it has a cache, whether the operator thought of it or not."""

FREE = "free"
_NEEDED = ("input", "output")
_NANO_DIGITS = 9
_DECIMAL = re.compile(rf"\d{{1,7}}(?:\.\d{{1,{_NANO_DIGITS}}})?", re.ASCII)
_WHAT = f"is a decimal number, from 0 to {MAX_USD} with at most {_NANO_DIGITS} decimal places"

ModelPrices = Mapping[str, str | bool]
"""By kind of token, in decimal text; FREE is there, and true, where one of them is 0."""

Prices = Mapping[str, ModelPrices]
"""By model."""


class Rate(NamedTuple):
    """One row of the ledger's book."""

    model: str
    token_kind: str
    nano_usd_per_million_tokens: int


def checked_prices(given: Mapping[str, Any], aliases: Container[str]) -> Prices:
    """As they are stored and shown. Raises BadRequest that names the member."""
    prices: dict[str, ModelPrices] = {}
    for model, rates in given.items():
        checked_text(model, "prices", MODEL, f"an object whose names are models' names ({MODEL_WORDS})")
        if model in aliases:
            raise refused(f"prices.{model}", "is an alias: prices are by the name that the provider has for the model")
        if model.lower() in map(str.lower, prices):
            raise refused(f"prices.{model}", "is there twice: case does not count")
        prices[model] = _model_prices(f"prices.{model}", rates)
    return prices


def check_cache_rates(prices: Prices, listed: Mapping[str, Collection[str]]) -> None:
    """`listed`: for which of CACHE_KINDS a model has rates in the list that counts otherwise, by names in lower case.

    Without one of these its calls would be unpriced where they were priced before. Raises BadRequest.
    """
    for model, of_model in prices.items():
        kinds = next((listed[name] for name in list_names(model) if name in listed), ())
        for kind in CACHE_KINDS:
            if kind in kinds and kind not in of_model:
                raise refused(
                    f"prices.{model}.{kind}",
                    "is missing: the list price of its kind has a rate for these tokens, and none is billed at"
                    " another's. Where they cost the same as plain input, say so by the same rate",
                )


def rates(prices: Prices) -> Iterator[Rate]:
    """In integers, as the ledger has them."""
    for model, of_model in prices.items():
        for kind, usd in of_model.items():
            if kind != FREE:
                yield Rate(model, kind, int(Decimal(str(usd)).scaleb(_NANO_DIGITS)))


def _model_prices(field: str, given: object) -> ModelPrices:
    known = ", ".join(TOKEN_KINDS)
    if not isinstance(given, dict):
        raise refused(field, f"is an object with rates for {known}, in USD per 1000000 tokens")
    for name in given:
        if name not in TOKEN_KINDS and name != FREE:
            raise refused(
                field,
                f"has a member that is no kind of token ({known}); rates by service tier or by context are for price"
                " files (import-prices, docs/billing.md)",
            )
    for kind in _NEEDED:
        if given.get(kind) is None:
            raise refused(f"{field}.{kind}", "is missing")
    found = {kind: _usd(f"{field}.{kind}", given[kind]) for kind in TOKEN_KINDS if given.get(kind) is not None}
    is_free = given.get(FREE, False)
    if type(is_free) is not bool:
        raise refused(f"{field}.{FREE}", "is true or false")
    has_zero = any(usd == 0 for usd in found.values())
    if has_zero and not is_free:
        raise refused(field, 'has a rate of 0, which needs "free": true beside it: elsewhere 0 often means not known')
    shown: dict[str, str | bool] = {kind: f"{usd.normalize():f}" for kind, usd in found.items()}
    return shown | ({FREE: True} if has_zero else {})


def _usd(field: str, value: object) -> Decimal:
    """Exactly what was written: of a JSON number the shortest decimal that is it."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise refused(field, _WHAT)
    text = value if isinstance(value, str) else f"{Decimal(str(value)):f}"
    if not _DECIMAL.fullmatch(text) or Decimal(text) > MAX_USD:
        raise refused(field, _WHAT)
    return Decimal(text)
