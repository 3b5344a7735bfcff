"""Reading tariff files: what is refused, and that nothing in an accepted file is left undecided."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_billing.book_file import BookFileInvalid
from gateway_billing.tariff_file import Tier, parse_tariff_file
from gateway_billing.tariff_rule import FixedPrice, Markup, Policies, Selector, innermost, ties
from tests.unit.billing.tariffs import FULL, JANUARY, fixed, markup, rule, tariff_content, tariff_file

SHIPPED = Path(__file__).parents[3] / "deploy" / "prices" / "tariffs.json"


def problems(*rules: dict[str, Any], **more: Any) -> list[str]:
    with pytest.raises(BookFileInvalid) as caught:
        tariff_file(*rules, **more)
    return caught.value.problems


def test_a_file_becomes_rules_and_volume_tiers() -> None:
    file = tariff_file(
        rule(
            "langchain",
            "premium",
            provider="OpenAI",
            model="GPT-4o*",
            rates={"*": markup(12_000), "output": fixed(12.5)},
            policies=FULL | {"failed": "free", "estimated": "at_cost"},
        ),
        volume_tiers=[{"channel": "*", "plan": "premium", "tiers": [{"above_tokens": 10, "discount_bp": 500}]}],
    )
    (read,) = file.rules
    assert read.selector == Selector("langchain", "premium", "openai", "gpt-4o*")
    assert read.rates == {"*": Markup(12_000), "output": FixedPrice(12_500_000_000)}
    assert read.policies == Policies(partial="full", failed="free", unknown="full", estimated="at_cost")
    assert file.volume_tiers[0].tiers == (Tier(10, 500),)
    assert file.effective_from == JANUARY


def test_the_shipped_tariffs_are_valid_and_cover_every_plan_of_both_channels() -> None:
    file = parse_tariff_file(SHIPPED.read_bytes())
    selectors = [one.selector for one in file.rules]
    for channel in ("langchain", "standard"):
        for plan in ("standard", "langchain", "premium", "any-other"):
            assert innermost(selectors, Selector(channel, plan, "openai", "gpt-4o")) is not None


def test_the_hash_is_of_the_content_not_of_its_white_space() -> None:
    content = tariff_content(rule())
    spaced = orjson.dumps(content, option=orjson.OPT_INDENT_2)
    assert parse_tariff_file(spaced).content_sha256 == tariff_file(rule()).content_sha256
    assert tariff_file(rule(note="other")).content_sha256 != tariff_file(rule()).content_sha256


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"channel": "web"}, "rules 1: \"channel\" 'web' is not one of langchain, standard, *"),
        ({"plan": "a plan"}, "neither the name of a plan nor *"),
        ({"provider": "open*"}, "neither a name nor *"),
        ({"model": "gpt-*-mini"}, "a * stands at the end only"),
        ({"rates": {}}, '"rates" is empty'),
        ({"rates": {"inputs": markup(1)}}, "inputs: not one of *, input"),
        ({"rates": {"*": {}}}, 'either "markup_bp" or "nano_usd_per_million_tokens"'),
        ({"rates": {"*": markup(1) | fixed(1)}}, 'either "markup_bp" or "nano_usd_per_million_tokens"'),
        ({"rates": {"*": markup(0)}}, 'a rate of 0 needs "free": true'),
        ({"rates": {"*": {"markup_bp": 1.2}}}, "1.2 is not a whole number"),
        ({"rates": {"*": markup(12_000_000)}}, "is not a whole number from 0 to 1000000"),
        ({"policies": {"partial": "full"}}, "failed None is not one of free, at_cost, full"),
        ({"polices": FULL}, "unknown: polices"),
    ],
)
def test_a_slip_of_the_pen_is_named(changes: dict[str, Any], problem: str) -> None:
    assert problem in problems(rule(**changes))[0]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"rules": []}, '"rules" is empty'),
        ({"rules": None}, '"rules" is not a list'),
        ({"effective_from": "2026-01-01T00:00:00"}, '"effective_from" has no time zone'),
        ({"format": "agent-gateway-prices/1"}, '"format" is not "agent-gateway-tariffs/1"'),
        ({"volume_tiers": [{"channel": "*", "plan": "*", "tiers": []}]}, '"tiers" is empty'),
        (
            {
                "volume_tiers": [
                    {
                        "channel": "*",
                        "plan": "*",
                        "tiers": [{"above_tokens": 5, "discount_bp": 1}, {"above_tokens": 5, "discount_bp": 2}],
                    }
                ]
            },
            "the tiers do not rise",
        ),
        (
            {"volume_tiers": [{"channel": "*", "plan": "*", "tiers": [{"above_tokens": 5, "discount_bp": 10_001}]}]},
            "10001 is not a whole number from 0 to 10000",
        ),
    ],
)
def test_a_wrong_file_is_refused(more: dict[str, Any], problem: str) -> None:
    with pytest.raises(BookFileInvalid) as caught:
        parse_tariff_file(orjson.dumps(tariff_content(rule()) | more))
    assert problem in caught.value.problems[0]


def test_two_rules_between_which_nothing_decides_are_refused_until_a_third_is_for_both() -> None:
    langchain, premium = rule("langchain", "*"), rule("*", "premium")
    assert problems(langchain, premium) == [
        "rules 1 (langchain/*/*/*) and 2 (*/premium/*/*) both match langchain/premium/*/*: add one for exactly that"
    ]
    assert len(tariff_file(langchain, premium, rule("langchain", "premium")).rules) == 3


def test_the_same_rule_twice_is_refused() -> None:
    assert problems(rule("standard", "a", model="GPT-4o"), rule("standard", "a", model="gpt-4o")) == [
        "rules 1 and 2 are both for standard/a/*/gpt-4o"
    ]


def test_volume_tiers_between_which_nothing_decides_are_refused_too() -> None:
    tiers = [{"above_tokens": 5, "discount_bp": 1}]
    found = problems(
        rule(),
        volume_tiers=[
            {"channel": "langchain", "plan": "*", "tiers": tiers},
            {"channel": "*", "plan": "p", "tiers": tiers},
        ],
    )
    assert "both match langchain/p" in found[0]


SELECTORS = st.builds(
    Selector,
    st.sampled_from(["langchain", "standard", "*"]),
    st.sampled_from(["a", "b", "*"]),
    st.sampled_from(["openai", "*"]),
    st.sampled_from(["gpt-4o", "gpt-4o-mini", "gpt-4o*", "gpt*", "*"]),
)
CALLS = st.builds(
    Selector,
    st.sampled_from(["langchain", "standard"]),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["openai", "meta"]),
    st.sampled_from(["gpt-4o", "gpt-4o-mini", "gpt-5", "llama"]),
)


@given(st.lists(SELECTORS, unique=True, max_size=8), CALLS)
def test_where_nothing_ties_every_call_that_any_rule_matches_has_one_innermost_rule(
    selectors: list[Selector], call: Selector
) -> None:
    if list(ties(selectors)):
        return
    matching = [one for one in selectors if one.includes(call)]
    found = innermost(selectors, call)
    assert (found is None) == (not matching)
    assert all(one.includes(found) for one in matching if found is not None)
