"""What an operator is told of a price file before it counts."""

from datetime import UTC, datetime
from typing import Any

import orjson

from gateway_billing.price_book import PriceBook, PriceVersion
from gateway_billing.price_checks import UsedKinds, warnings
from gateway_billing.price_file import PriceFile, parse_price_file, price_content

NOW = datetime(2026, 11, 1, tzinfo=UTC)
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)


def price_file(*kinds: str, precedence: int = 100, **more: Any) -> PriceFile:
    content = {
        "format": "agent-gateway-prices/1",
        "book": "overrides",
        "precedence": precedence,
        "source": "a test",
        "source_version": "1",
        "models": [
            {
                "provider": "openai",
                "model": "GPT-4o",
                "source": "a test",
                "rates": {"standard": {"0": dict.fromkeys(kinds, 10**9)}},
            }
            | more
        ],
    }
    return parse_price_file(orjson.dumps(content))


def book(file: PriceFile) -> PriceBook:
    return PriceBook([(PriceVersion(1, file.book, file.precedence, JANUARY), file.models)])


NO_BOOK = PriceBook([])


def used(*kinds: str, served: str | None = "gpt-4o-2024-08-06") -> list[UsedKinds]:
    return [UsedKinds("openai", served, "gpt-4o", frozenset(kinds))]


def test_a_model_whose_calls_had_cached_tokens_needs_a_rate_for_them() -> None:
    found = list(warnings(price_file("input", "output"), now=NOW, used=used("cached_input"), book=NO_BOOK))
    assert found == ["openai/GPT-4o: no rate for cached_input tokens, which its calls in the ledger have"]
    complete = price_file("input", "output", "cached_input")
    assert list(warnings(complete, now=NOW, used=used("cached_input"), book=NO_BOOK)) == []


def test_calls_that_another_book_has_under_a_better_name_need_no_rate_of_this_one() -> None:
    own = price_file("input", "output", provider="openai@acme")
    calls = [UsedKinds("openai@acme", "gpt-4o-2024-08-06", "gpt-4o-2024-08-06", frozenset(["cached_input"]))]
    assert len(list(warnings(own, now=NOW, used=calls, book=NO_BOOK))) == 1
    kinds = price_file("input", "output", "cached_input", precedence=0, model="gpt-4o-2024-08-06")
    listed = PriceBook([(PriceVersion(1, "litellm", 0, JANUARY), kinds.models)])
    assert list(warnings(own, now=NOW, used=calls, book=listed)) == []
    replaced = PriceBook([(PriceVersion(1, own.book, 0, JANUARY), kinds.models)])
    assert len(list(warnings(own, now=NOW, used=calls, book=replaced))) == 1


def test_a_providers_own_prices_are_held_against_its_kinds() -> None:
    own = price_file("input", "output", provider="openai@acme", precedence=201)
    found = list(warnings(own, now=NOW, used=[], book=book(price_file("input", "output", "cached_input"))))
    assert found == ["openai@acme/GPT-4o: no rate for cached_input tokens, which book overrides has in version 1"]


def test_a_rate_that_the_book_had_must_not_be_forgotten() -> None:
    before = book(price_file("input", "output", "cached_input", "cache_write_5m", precedence=0))
    found = list(warnings(price_file("input", "output", "cached_input"), now=NOW, used=[], book=before))
    assert found == ["openai/GPT-4o: no rate for cache_write_5m tokens, which book overrides has in version 1"]


def test_what_a_book_of_higher_precedence_prices_is_not_looked_at() -> None:
    above = book(price_file("input", "output", "cached_input", precedence=100))
    assert list(warnings(price_file("input", "output", precedence=0), now=NOW, used=[], book=above)) == []


def test_reasoning_needs_no_rate_of_its_own() -> None:
    before = book(price_file("input", "output", "reasoning"))
    assert list(warnings(price_file("input", "output"), now=NOW, used=[], book=before)) == []


def test_a_file_that_was_written_is_read_as_the_same_prices() -> None:
    file = price_file("input", "output", aliases=["gpt-4o-latest"], note="a stand-in", source_date="2026-01-02")
    version = {"book": "overrides", "precedence": 100, "source": "s", "source_version": "1", "source_sha256": None}
    again = parse_price_file(orjson.dumps(price_content(version, JANUARY, file.models)))
    assert again.models == file.models
    assert again.effective_from == JANUARY


def test_a_free_model_stays_free_when_it_is_written() -> None:
    content = price_file("input").models[0]
    free = parse_price_file(
        orjson.dumps(
            {
                "format": "agent-gateway-prices/1",
                "book": "b",
                "precedence": 1,
                "source": "s",
                "source_version": "1",
                "models": [
                    {
                        "provider": content.provider,
                        "model": "m",
                        "source": "s",
                        "free": True,
                        "rates": {"standard": {"0": {"input": 0}}},
                    }
                ],
            }
        )
    )
    version = {"book": "b", "precedence": 1, "source": "s", "source_version": "1", "source_sha256": None}
    assert parse_price_file(orjson.dumps(price_content(version, JANUARY, free.models))).models == free.models
