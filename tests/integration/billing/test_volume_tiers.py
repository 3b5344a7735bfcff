"""Volume tiers in SQL: by hand, and that nothing is lost or invented when an amount is split over them."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.billing.books import OwnBooks
from tests.integration.billing.running_billing import query
from tests.servers import Postgres

JULY, JUNE = date(2003, 7, 1), date(2003, 6, 1)
SHARES = "SELECT * FROM billing.tier_shares($1, $2, $3, $4, $5)"
MANY_SHARES = """
SELECT amount.number, share.*
FROM unnest($1::numeric[], $2::numeric[]) WITH ORDINALITY AS amount (tokens, list_nano_usd, number)
CROSS JOIN billing.tier_shares('2003-07-01', 'standard', 'stairs', amount.tokens, amount.list_nano_usd) AS share
"""


def tiers(channel: str, plan: str, *steps: tuple[int, int]) -> dict[str, Any]:
    return {
        "channel": channel,
        "plan": plan,
        "tiers": [{"above_tokens": above, "discount_bp": discount} for above, discount in steps],
    }


@pytest.fixture
def database(command_env: dict[str, str], ledger_database: Postgres, tmp_path: Path) -> Postgres:
    """With a tariff that begins within June 2003, and is the one in force then, as all others are of 2026."""
    OwnBooks(command_env, tmp_path).import_tariff(
        effective_from="2003-06-15T00:00:00Z",
        volume_tiers=[
            tiers("standard", "stairs", (1_000, 500), (3_000, 1_000)),
            tiers("*", "from-the-first", (0, 250), (10, 10_000)),
            tiers("standard", "*", (5, 100)),
            tiers("standard", "from-the-first", (0, 300)),
        ],
    )
    return ledger_database


async def shares(
    database: Postgres, plan: str, tokens: int, list_nano_usd: int, *, channel: str = "standard", month: date = JULY
) -> list[tuple[int, int, int, int, int]]:
    rows = await query(database, "billing_reader", SHARES, month, channel, plan, tokens, list_nano_usd)
    names = ("above_tokens", "tier_tokens", "tier_list_nano_usd", "discount_nano_usd", "nano_usd")
    return [tuple(row[name] for name in names) for row in rows]


async def test_a_months_tokens_are_split_over_the_tiers_and_the_amount_pro_rata(database: Postgres) -> None:
    # 4,000 tokens for 1,001 nano-USD: 1,000 of them are 250.25, 2,000 are 500.5, 1,000 are 250.25; the nano-USD that
    # rounding down leaves over goes to the largest remainder, .5; 5 % of 501 is 25.05, 10 % of 250 is 25
    assert await shares(database, "stairs", 4_000, 1_001) == [
        (0, 1_000, 250, 0, 250),
        (1_000, 2_000, 501, 25, 476),
        (3_000, 1_000, 250, 25, 225),
    ]


async def test_a_discount_is_rounded_half_up(database: Postgres) -> None:
    # 2,000 tokens for 20 nano-USD: 10 and 10; 5 % of 10 is 0.5, which is 1
    assert (await shares(database, "stairs", 2_000, 20))[1] == (1_000, 1_000, 10, 1, 9)


@pytest.mark.parametrize(("tokens", "count"), [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (3_000, 2), (3_001, 3)])
async def test_a_tier_begins_with_the_token_above_its_number(database: Postgres, tokens: int, count: int) -> None:
    assert len(await shares(database, "stairs", tokens, tokens)) == count


async def test_the_innermost_tiers_count_and_without_any_there_is_one_without_a_discount(database: Postgres) -> None:
    assert await shares(database, "from-the-first", 10, 100) == [(0, 10, 100, 3, 97)]
    assert await shares(database, "from-the-first", 20, 100, channel="langchain") == [
        (0, 10, 50, 1, 49),  # 2.5 % of 50 is 1.25
        (10, 10, 50, 50, 0),
    ]
    assert await shares(database, "any-other", 10, 100) == [(0, 5, 50, 0, 50), (5, 5, 50, 1, 49)]  # 1 % of 50 is 0.5
    assert await shares(database, "any-other", 10, 100, channel="langchain") == [(0, 10, 100, 0, 100)]


async def test_tiers_count_from_the_first_month_that_begins_after_their_tariff_does(database: Postgres) -> None:
    earlier = "2002-01-01T00:00:00Z"
    await query(
        database,
        "billing",
        "INSERT INTO billing.tariff_version (source, source_version, content_sha256, effective_from)"
        " VALUES ('test', 'without tiers', 'test', $1::text::timestamptz)",
        earlier,
    )
    assert len(await shares(database, "stairs", 4_000, 1_001, month=JUNE)) == 1
    assert len(await shares(database, "stairs", 4_000, 1_001, month=JULY)) == 3


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 10**15)), min_size=1, max_size=50))
async def test_the_shares_sum_to_the_whole(database: Postgres, amounts: list[tuple[int, int]]) -> None:
    rows = await query(
        database, "billing_reader", MANY_SHARES, [one[0] for one in amounts], [one[1] for one in amounts]
    )
    for number, (tokens, list_nano_usd) in enumerate(amounts, 1):
        split = [row for row in rows if row["number"] == number]
        assert sum(row["tier_tokens"] for row in split) == tokens
        assert sum(row["tier_list_nano_usd"] for row in split) == list_nano_usd
        for row in split:
            exact = list_nano_usd * row["tier_tokens"]
            assert not tokens or abs(row["tier_list_nano_usd"] * tokens - exact) < tokens
            assert row["tier_list_nano_usd"] == row["discount_nano_usd"] + row["nano_usd"]
            assert 0 <= row["nano_usd"] <= row["tier_list_nano_usd"]
