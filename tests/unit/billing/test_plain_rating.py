"""The short way to an event's amounts says what the long one says, or leaves it to that."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from gateway_billing.books import Books, Ratings, rate, rate_carefully
from gateway_billing.plain_rating import PlainRating
from gateway_billing.price_book import PriceBook, PriceVersion
from gateway_billing.price_file import ModelPrice
from gateway_billing.pricing import TOKEN_KINDS, RateKey
from gateway_billing.rating import Usage
from gateway_billing.tariff_book import TariffBook, TariffVersion
from gateway_shared.usage_event import TokenCounts
from tests.unit.billing.tariffs import JANUARY, fixed, markup, rule, tariff_book, tariff_file
from tests.unit.billing.test_charging import token_counts

AT = datetime(2026, 2, 1, tzinfo=UTC)
USAGE = Usage("openai", "gpt-4o-2024-08-06", "gpt-4o", "default", AT, "provider", "settled", "standard", "standard",
              TokenCounts())  # fmt: skip

ALL = [RateKey(kind, tier, above) for kind in TOKEN_KINDS for tier in ("standard", "flex") for above in (0, 2000)]
amount = st.one_of(st.integers(0, 9), st.integers(0, 10**15))


@st.composite
def rates(draw: st.DrawFn) -> dict[RateKey, int]:
    """Complete, or with a gap or two."""
    found = {key: draw(amount) for key in ALL}
    for key in draw(st.lists(st.sampled_from(ALL), max_size=3)):
        found.pop(key, None)
    return found


FEW = st.one_of(st.just(0), st.integers(0, 30), st.integers(0, 3000))


@st.composite
def tokens_of_a_few_kinds(draw: st.DrawFn) -> TokenCounts:
    """Now and then with parts that exceed their total."""
    tokens = draw(token_counts(FEW))
    kept = draw(st.sampled_from([1, 1, 1, 0]))
    return replace(tokens, input_tokens=tokens.input_tokens * kept)


asks = st.one_of(st.builds(markup, st.integers(0, 100_000)), st.builds(fixed, st.integers(0, 10**5)))
others = st.dictionaries(st.sampled_from(TOKEN_KINDS), asks, max_size=3)
asked = st.one_of(others.filter(bool), st.builds(lambda any_kind, some: {"*": any_kind, **some}, asks, others))


def books(of_rates: dict[RateKey, int], of_asks: dict[str, dict[str, int]]) -> Books:
    """The model is priced under its name without a date, which both amounts say."""
    price = ModelPrice("openai", "gpt-4o", of_rates, "a test")
    prices = PriceBook([(PriceVersion(7, "overrides", 100, JANUARY), [price])])
    is_free = any(0 in ask.values() for ask in of_asks.values())
    return Books(prices, tariff_book(rule(rates=of_asks, free=is_free)))


@given(rates(), asked, tokens_of_a_few_kinds(), st.sampled_from([None, "default", "flex", "unheard-of"]))
@example({RateKey("input"): 10**15}, {"*": markup(100_000)}, TokenCounts(input_tokens=2**40), None)
@example({RateKey("input"): 5 * 10**5}, {"*": fixed(0.0005)}, TokenCounts(input_tokens=1), None)
def test_both_ways_say_the_same(
    of_rates: dict[RateKey, int], of_asks: dict[str, dict[str, int]], tokens: TokenCounts, tier: str | None
) -> None:
    known = books(of_rates, of_asks)
    usage = replace(USAGE, tokens=tokens, service_tier=tier)
    for _ in range(2):  # as it is made, and as it is kept
        assert rate(usage, known) == rate_carefully(usage, known)


@given(
    st.sampled_from(["settled", "partial", "failed", "unknown"]),
    st.sampled_from(["provider", "drained", "estimated", "unknown", "none"]),
    token_counts(),
)
def test_what_did_not_end_as_it_should_is_looked_at_carefully(status: str, source: str, tokens: TokenCounts) -> None:
    known = books({RateKey(kind): 10**9 for kind in TOKEN_KINDS}, {"*": markup(12_000)})
    usage = replace(USAGE, status=status, usage_source=source, tokens=tokens)
    rate(replace(USAGE, tokens=tokens), known)
    assert rate(usage, known) == rate_carefully(usage, known)


def test_nearly_all_go_the_short_way() -> None:
    known = books({RateKey("input"): 25 * 10**8, RateKey("output"): 10**10}, {"*": markup(12_000)})
    plain = known.plain(USAGE)
    assert plain is known.plain(replace(USAGE, tokens=TokenCounts(9, output_tokens=20), started_at=AT + timedelta(1)))
    assert isinstance(plain, PlainRating)
    cost, charge = plain.rate(TokenCounts(input_tokens=9, output_tokens=20)) or (None, None)
    assert cost is not None
    assert charge is not None
    # 9 x 2.50 + 20 x 10 = 222.5 micro-USD, and 1.2 times that
    assert (cost.nano_usd, charge.nano_usd) == (222_500, 267_000)


def test_what_was_kept_is_not_used_beyond_its_version() -> None:
    """Of prices and of tariffs: the same model a day later, after new ones came into force."""
    later = AT + timedelta(days=1)
    price = ModelPrice("openai", "gpt-4o", {RateKey("input"): 10**9}, "a test")
    dearer = replace(price, rates={RateKey("input"): 3 * 10**9})
    known = Books(
        PriceBook([(PriceVersion(1, "o", 1, JANUARY), [price]), (PriceVersion(2, "o", 1, later), [dearer])]),
        TariffBook(
            [
                (TariffVersion(1, JANUARY), tariff_file(rule()).rules),
                (TariffVersion(2, later + timedelta(days=1)), tariff_file(rule(rates={"*": markup(20_000)})).rules),
            ]
        ),
    )
    usage = replace(USAGE, tokens=TokenCounts(input_tokens=1000))
    seen = [amounts(rate(replace(usage, started_at=AT + timedelta(days=days)), known)) for days in (0, 1, 2, 0)]
    assert seen == [(10**6, 10**6), (3 * 10**6, 3 * 10**6), (3 * 10**6, 6 * 10**6), (10**6, 10**6)]


def amounts(ratings: Ratings) -> tuple[int, int]:
    assert ratings.cost is not None
    assert ratings.charge is not None
    return ratings.cost.nano_usd, ratings.charge.nano_usd
