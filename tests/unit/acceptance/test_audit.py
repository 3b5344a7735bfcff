"""The judge of every fault test must see what is wrong, or an exact ledger means nothing."""

import random
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.acceptance.audit import Audit, judge
from tests.acceptance.price_list import TOKEN_COLUMNS, PriceList
from tests.acceptance.traffic import Outcome, ordinary

USAGE = dict.fromkeys(TOKEN_COLUMNS, 0) | {"input_tokens": 100, "output_tokens": 30, "cached_input_tokens": 40}
COST = 60 * 2500 + 40 * 1250 + 30 * 10_000
"""Nano-USD: 2.50, 1.25 and 10 USD per million tokens are 2,500, 1,250 and 10,000 nano-USD per token."""


@pytest.fixture
def prices(tmp_path: Path) -> PriceList:
    rates = {"standard": {"0": {"input": 2_500_000_000, "cached_input": 1_250_000_000, "output": 10_000_000_000}}}
    models = [{"provider": "openai", "model": "gpt-4o", "aliases": ["gpt-4o-2024-08-06"], "rates": rates}]
    file = tmp_path / "prices.json"
    file.write_bytes(orjson.dumps({"precedence": 1, "models": models}))
    return PriceList(file)


def row(**changes: object) -> dict[str, Any]:
    settled = {
        "is_final": True,
        "status": "settled",
        "usage_source": "provider",
        "price_provider": "openai",
        "model_served": "gpt-4o-2024-08-06",
        "model_upstream": "gpt-4o",
        "cost_nano_usd": COST,
    }
    return {**settled, **USAGE, **changes}


NOTHING = {**dict.fromkeys(TOKEN_COLUMNS, 0), "cost_nano_usd": 0, "status": "unknown", "usage_source": "unknown"}
EARLIER = {**NOTHING, "is_final": False, "status": "failed"}
RIGHT = {"duplicates": 0, "missing": 0, "wrong_cost": 0, "wrong_final": 0}


@pytest.mark.parametrize(
    ("calls", "rows", "wrong"),
    [
        (1, [row()], {}),
        (2, [row(**NOTHING), row()], {}),
        (1, [row(), row(**NOTHING)], {}),  # a call that was never made, and says so
        (3, [row(**EARLIER), row(**EARLIER), row()], {}),
        (2, [row(**EARLIER), row(is_final=False)], {"wrong_final": 1}),
        (1, [row(), row()], {"duplicates": 1, "wrong_cost": 1, "wrong_final": 1}),
        (1, [], {"missing": 1}),
        (2, [row()], {"missing": 1}),
        (1, [row(cost_nano_usd=COST + 1)], {"wrong_cost": 1}),
        (1, [row(cost_nano_usd=None)], {"wrong_cost": 1}),
        (1, [row(output_tokens=31, cost_nano_usd=COST + 10_000)], {"wrong_cost": 1}),
        (1, [row(usage_source="estimated")], {"wrong_cost": 1}),
        (1, [row(**{**NOTHING, "cost_nano_usd": 5})], {"wrong_cost": 1}),
    ],
)
def test_a_whole_answer_is_one_settled_row_at_the_providers_word(
    prices: PriceList, calls: int, rows: list[dict[str, Any]], wrong: dict[str, int]
) -> None:
    found = Audit()
    outcome = Outcome("marker", ordinary(random.Random(1)), 200, complete=True)
    judge(found, outcome, [{"usage": USAGE}] * calls, rows, prices)
    assert {name: len(getattr(found, name)) for name in RIGHT} == {**RIGHT, **wrong}


def test_rows_of_no_known_usage_at_cost_0_are_counted_whether_the_provider_was_asked_or_not(prices: PriceList) -> None:
    found = Audit()
    outcome = Outcome("marker", ordinary(random.Random(1)))
    judge(found, outcome, [{"usage": None}], [row(**NOTHING), row(**{**NOTHING, "is_final": False})], prices)
    assert (found.unbilled, found.unsent, found.is_exact) == (2, 1, True)


def test_a_ledger_whose_own_view_misses_an_event_is_not_exact() -> None:
    found = Audit(incomplete=[{"producer": "r1/b1", "missing": 2, "missing_ranges": "7-8"}])
    assert (found.missing_by_view, found.is_exact) == (2, False)
