"""Two minutes of `make chaos`, with a seed that stays; the ten minutes are for a person to run (docs/chaos.md)."""

import pytest

from tests.acceptance.chaos.run import PATIENCE, chaos
from tests.acceptance.owned_stack import owned_stack
from tests.acceptance.price_list import PriceList


@pytest.mark.long
async def test_the_ledger_is_exact_after_two_minutes_of_chaos(prices: PriceList) -> None:
    with owned_stack(router=PATIENCE) as stack:
        told = await chaos(stack, prices, for_s=120, seed=20261123)
    assert told.audit.is_exact
