"""Which rule counts: by channel, plan and model, and by time."""

from datetime import UTC, datetime

import pytest

from gateway_billing.tariff_book import TariffBook, TariffVersion
from tests.unit.billing.tariffs import markup, rule, tariff_book, tariff_file

MARCH, MAY = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
BOOK = tariff_book(
    rule("standard", "*"),  # 1
    rule("standard", "premium"),  # 2
    rule("standard", "premium", provider="openai"),  # 3
    rule("standard", "premium", provider="openai", model="gpt-4o*"),  # 4
    rule("standard", "premium", provider="openai", model="gpt-4o"),  # 5
    rule("standard", "*", provider="meta", model="llama-3.3-70b-instruct"),  # 6
    rule("standard", "premium", provider="meta", model="llama-3.3-70b-instruct"),  # 7
)


@pytest.mark.parametrize(
    ("plan", "provider", "served", "upstream", "number"),
    [
        ("standard", "openai", "gpt-4o", "gpt-4o", 1),
        ("premium", "anthropic", "claude", "claude", 2),
        ("premium", "openai", "gpt-5", "gpt-5", 3),
        ("premium", "openai", "gpt-4o-mini", "gpt-4o-mini", 4),
        ("premium", "openai", "gpt-4o", "gpt-4o", 5),
        ("premium", "openai", "GPT-4o", "gpt-4o", 5),
        ("premium", "openai", "gpt-4o-2024-08-06", "gpt-4o-2024-08-06", 5),  # by the name without its date
        ("premium", "openai", None, "gpt-4o", 5),
        ("standard", "meta", "Llama-3.3-70B-Instruct", "x", 6),
        ("premium", "meta", "meta/Llama-3.3-70B-Instruct", "x", 7),
    ],
)
def test_the_innermost_rule_counts(plan: str, provider: str, served: str | None, upstream: str, number: int) -> None:
    found = BOOK.find("standard", plan, provider, served, upstream, at=MARCH)
    assert found is not None
    assert found.rule.number == number


def test_a_provider_with_prices_of_its_own_is_charged_by_its_own_rules_then_by_its_kinds() -> None:
    tariffs = tariff_book(
        rule("standard", "*"),  # 1
        rule("standard", "*", provider="openai"),  # 2
        rule("standard", "*", provider="openai", model="gpt-4o"),  # 3
        rule("standard", "*", provider="openai@acme"),  # 4
        rule("standard", "premium", provider="openai@acme", model="gpt-4o"),  # 5
    )

    def number(plan: str, provider: str, model: str) -> int | None:
        found = tariffs.find("standard", plan, provider, model, model, at=MARCH)
        return found.rule.number if found else None

    assert number("premium", "openai@acme", "gpt-4o") == 5
    assert number("standard", "openai@acme", "gpt-4o") == 4
    assert number("standard", "openai@other", "gpt-4o") == 3
    assert number("standard", "openai@tenant/acme", "o3") == 2
    assert number("standard", "vllm@acme", "gpt-4o") == 1


def test_a_rule_for_a_tenants_provider_is_for_no_tenant_that_differs_in_case() -> None:
    tariffs = tariff_book(rule("*", "*"), rule("*", "*", provider="vLLM@Acme/mine"))

    def number(provider: str) -> int | None:
        found = tariffs.find("standard", "standard", provider, "m", "m", at=MARCH)
        return found.rule.number if found else None

    assert number("vllm@Acme/mine") == 2
    assert number("vllm@acme/mine") == 1


def test_a_channel_without_a_rule_has_none() -> None:
    assert BOOK.find("langchain", "premium", "openai", "gpt-4o", "gpt-4o", at=MARCH) is None


def test_the_version_in_force_counts_and_replaces_the_earlier_one_as_a_whole() -> None:
    old = tariff_file(rule("standard", "a"), rule("standard", "b")).rules
    new = tariff_file(rule("standard", "a", rates={"*": markup(20_000)})).rules
    corrected = tariff_file(rule("standard", "a", rates={"*": markup(30_000)})).rules
    book = TariffBook(
        [(TariffVersion(1, MARCH), old), (TariffVersion(2, MAY), new), (TariffVersion(3, MAY), corrected)]
    )

    def version(plan: str, at: datetime) -> tuple[int, str] | None:
        found = book.find("standard", plan, "openai", None, "x", at=at)
        return (found.version.version_id, found.words) if found else None

    april, june = datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    assert version("a", april) == (1, "rule 1 (standard/a/*/*)")
    assert version("a", MAY) == (3, "rule 1 (standard/a/*/*)")  # of two of one date the one imported last
    assert version("b", june) is None
    february = version("a", datetime(2026, 2, 1, tzinfo=UTC))
    assert february == (1, "rule 1 (standard/a/*/*); by the tariff of 2026-03-01 00:00 UTC, after the event")


def test_an_event_of_a_plan_that_only_a_later_tariff_has_is_charged_by_that() -> None:
    book = TariffBook(
        [
            (TariffVersion(1, MARCH), tariff_file(rule("standard", "a")).rules),
            (TariffVersion(2, MAY), tariff_file(rule("standard", "b")).rules),
        ]
    )
    found = book.find("standard", "b", "openai", None, "x", at=datetime(2026, 4, 1, tzinfo=UTC))
    assert found is not None
    assert found.version.version_id == 2
