"""Which price counts: by name, by time, by book."""

from datetime import UTC, datetime

import pytest

from gateway_billing.price_book import PriceBook, PriceVersion
from gateway_billing.price_file import ModelPrice
from gateway_billing.pricing import RateKey

JANUARY, MARCH, MAY = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 3, 5))
FEBRUARY, APRIL = (datetime(2026, month, 1, tzinfo=UTC) for month in (2, 4))


def prices(*names: str) -> list[ModelPrice]:
    return [
        ModelPrice(provider, model, {RateKey("input"): 1}, "test")
        for provider, _, model in (name.partition(":") for name in names)
    ]


def book(*versions: tuple[int, str, int, datetime, list[ModelPrice]]) -> PriceBook:
    return PriceBook((PriceVersion(number, name, rank, at), models) for number, name, rank, at, models in versions)


MAP = book(
    (1, "litellm", 0, JANUARY, prices("openai:gpt-4o", "openai:gpt-4o-2024-05-13", "meta:Llama-3.3-70B-Instruct"))
)


@pytest.mark.parametrize(
    ("served", "upstream", "found", "remark"),
    [
        ("gpt-4o", "gpt-4o", "gpt-4o", ""),
        ("GPT-4o", "gpt-4o", "gpt-4o", ""),
        (None, "gpt-4o", "gpt-4o", ""),
        ("openai/gpt-4o", "x", "gpt-4o", ""),
        ("gpt-4o-2024-05-13", "gpt-4o", "gpt-4o-2024-05-13", ""),
        ("something-else", "gpt-4o", "gpt-4o", "by the name asked for"),
        ("gpt-4o-2031-01-01", "gpt-4o-2031-01-01", "gpt-4o", "by the name without its date"),
        ("gpt-4o-20310101", "x", "gpt-4o", "by the name without its date"),
    ],
)
def test_a_model_is_found_by_what_was_served_then_by_what_was_asked_for(
    served: str | None, upstream: str, found: str, remark: str
) -> None:
    price = MAP.find("openai", served, upstream, at=FEBRUARY)
    assert price is not None
    assert (price.price.model, price.remark) == (found, remark)


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "gpt-4o-mini"), ("azure", "gpt-4o"), ("openai", "gpt-4o-2024"), ("openai", "gpt-4o-99999999")],
)
def test_another_model_or_provider_is_not_a_price(provider: str, model: str) -> None:
    assert MAP.find(provider, model, model, at=FEBRUARY) is None


def version_at(
    prices: PriceBook, at: datetime, model: str = "gpt-4o", provider: str = "openai"
) -> tuple[int, str] | None:
    found = prices.find(provider, model, model, at=at)
    return None if found is None else (found.version.version_id, found.remark)


def test_a_new_version_counts_from_its_date_on() -> None:
    both = book((1, "litellm", 0, JANUARY, prices("openai:gpt-4o")), (2, "litellm", 0, MARCH, prices("openai:gpt-4o")))
    assert version_at(both, FEBRUARY) == (1, "")
    assert version_at(both, MARCH) == (2, "")
    assert version_at(both, APRIL) == (2, "")


def test_of_two_versions_of_one_date_the_later_import_counts() -> None:
    both = book(
        (2, "overrides", 9, JANUARY, prices("openai:gpt-4o")), (1, "overrides", 9, JANUARY, prices("openai:gpt-4o"))
    )
    assert version_at(both, FEBRUARY) == (2, "")


def test_overrides_win_over_the_map_even_when_the_map_is_newer() -> None:
    both = book(
        (1, "overrides", 100, JANUARY, prices("openai:gpt-4o")),
        (2, "litellm", 0, MARCH, prices("openai:gpt-4o", "openai:o3")),
    )
    assert version_at(both, APRIL) == (1, "")
    assert version_at(both, APRIL, "o3") == (2, "")


def test_an_override_that_was_taken_out_uncovers_the_map() -> None:
    all_three = book(
        (1, "litellm", 0, JANUARY, prices("openai:gpt-4o")),
        (2, "overrides", 100, JANUARY, prices("openai:gpt-4o")),
        (3, "overrides", 100, MARCH, prices("openai:o3")),
    )
    assert version_at(all_three, FEBRUARY) == (2, "")
    assert version_at(all_three, APRIL) == (1, "")


def test_an_event_older_than_its_price_is_priced_and_says_so() -> None:
    later = book(
        (1, "litellm", 0, JANUARY, prices("openai:gpt-4o")),
        (2, "litellm", 0, MARCH, prices("openai:o3")),
        (3, "litellm", 0, MAY, prices("openai:o3")),
    )
    assert version_at(later, FEBRUARY, "o3") == (2, "by rates of 2026-03-01 00:00 UTC, after the event")


def test_an_empty_book_prices_nothing() -> None:
    assert version_at(book(), FEBRUARY) is None


def test_a_providers_own_prices_go_before_its_kinds_for_the_models_that_they_have() -> None:
    both = book(
        (1, "litellm", 0, JANUARY, prices("vllm:small", "vllm:large")),
        (2, "provider/vllm@acme", 200, FEBRUARY, prices("vllm@acme:small")),
        (3, "provider/vllm@acme", 200, APRIL, prices("vllm@acme:large")),
    )
    assert version_at(both, MARCH, "small", "vllm@acme") == (2, "")
    assert version_at(both, MARCH, "large", "vllm@acme") == (1, "")
    assert version_at(both, MAY, "large", "vllm@acme") == (3, "")
    assert version_at(both, MAY, "small", "vllm@acme") == (1, "")
    assert version_at(both, MAY, "vllm/small", "vllm@acme") == (1, "")
    assert version_at(both, MAY, "small", "vllm@other") == (1, "")
    assert version_at(both, MAY, "small") is None


def test_a_call_that_began_just_before_its_providers_first_prices_has_those() -> None:
    """The router's clock may be behind the database's."""
    own = book((1, "litellm", 0, JANUARY, prices("vllm:m")), (2, "provider/vllm@a", 200, MARCH, prices("vllm@a:m")))
    assert version_at(own, FEBRUARY, "m", "vllm@a") == (2, "by rates of 2026-03-01 00:00 UTC, after the event")


@pytest.mark.parametrize(
    ("served", "upstream", "owner", "remark"),
    [
        ("gpt-4o", "gpt-4o", "openai@acme", ""),
        # the kind's list has the snapshot that was asked for under its date: it is another model, at another price
        ("gpt-4o-2024-05-13", "gpt-4o-2024-05-13", "openai", ""),
        # the provider's word for what it calls gpt-4o at the moment
        ("gpt-4o-2024-05-13", "gpt-4o", "openai@acme", "by the name asked for"),
        ("gpt-4o-2031-01-01", "gpt-4o-2031-01-01", "openai@acme", "by the name without its date"),
        ("o3-2025-04-16", "o3-2025-04-16", "openai", "by the name without its date"),
    ],
)
def test_a_name_in_full_goes_before_one_without_date_whoever_asks_that_price(
    served: str, upstream: str, owner: str, remark: str
) -> None:
    both = book(
        (1, "litellm", 0, JANUARY, prices("openai:gpt-4o", "openai:gpt-4o-2024-05-13", "openai:o3")),
        (2, "provider/openai@acme", 200, JANUARY, prices("openai@acme:gpt-4o")),
    )
    found = both.find("openai@acme", served, upstream, at=FEBRUARY)
    assert found is not None
    assert (found.price.provider, found.remark) == (owner, remark)


def test_tenants_that_differ_in_case_have_their_own_prices() -> None:
    two = book(
        (1, "provider/vllm@Acme/mine", 200, JANUARY, prices("vllm@Acme/mine:m")),
        (2, "provider/vllm@acme/mine", 200, JANUARY, prices("vllm@acme/mine:m")),
    )
    assert version_at(two, FEBRUARY, "m", "vllm@Acme/mine") == (1, "")
    assert version_at(two, FEBRUARY, "M", "vllm@acme/mine") == (2, "")
    assert version_at(two, FEBRUARY, "m", "vllm@ACME/mine") is None
