"""Kinds by name, and the provider that each makes."""

from pathlib import Path

import pytest

from gateway_router.configuration import Provider
from gateway_router.kinds import KINDS, kind_of
from gateway_router.litellm_catalogue import provider_names
from gateway_shared.settings import Secret

KEY = Secret("a-key")
DOCS = Path(__file__).parents[3] / "docs" / "providers.md"


def test_the_documentation_says_of_every_kind_how_it_is_spoken_to_and_that_it_was_never_run_live() -> None:
    rows = [
        line for line in DOCS.read_text().partition("## Kinds")[2].partition("\n## ")[0].splitlines() if "|" in line
    ]
    for name, kind in KINDS.items():
        described, exercised = (row for row in rows if row.startswith(f"| `{name.replace('_', '-')}` |"))
        assert (kind.base_url or "has to be given") in described
        assert (kind.auth_header if kind.auth_header != "Authorization" else "bearer token") in described
        assert exercised.endswith("| never |")


def test_the_kinds_are_litellm_s_too_so_that_its_prices_and_guesses_find_them() -> None:
    assert {kind.litellm_name for kind in KINDS.values()} <= provider_names()


@pytest.mark.parametrize(
    ("word", "name"), [("gemini", "google"), ("meta_llama", "meta"), ("hosted_vllm", "vllm"), ("groq", "groq")]
)
def test_litellm_s_word_for_one_of_ours_is_ours(word: str, name: str) -> None:
    assert kind_of(word) is KINDS[name]


def test_any_other_kind_that_litellm_knows_is_spoken_to_by_its_client() -> None:
    for name in provider_names() - {kind.litellm_name for kind in KINDS.values()} - set(KINDS):
        kind = kind_of(name)
        assert (kind.wire, kind.litellm_name, kind.needs_base_url) == ("litellm", name, False)


def test_a_kind_without_an_address_of_its_own_needs_one() -> None:
    assert {name for name, kind in KINDS.items() if kind.needs_base_url} == {
        "azure", "ollama", "vllm", "openai_compatible",
    }  # fmt: skip


def test_servers_of_one_s_own_need_no_key() -> None:
    assert {name for name, kind in KINDS.items() if not kind.needs_key} == {"ollama", "vllm", "openai_compatible"}


@pytest.mark.parametrize(
    ("kind", "given", "used"),
    [
        ("groq", None, "https://api.groq.com/openai/v1"),
        ("groq", "https://eu.example.com/v1/", "https://eu.example.com/v1"),
        ("ollama", "http://127.0.0.1:11434", "http://127.0.0.1:11434/v1"),
        ("ollama", "http://127.0.0.1:11434/", "http://127.0.0.1:11434/v1"),
        ("vllm", "https://models.example.com/llama/v1", "https://models.example.com/llama/v1"),
        ("openai_compatible", "https://models.example.com", "https://models.example.com"),
        ("cohere", None, ""),
        ("cohere", "https://cohere.example.com/v2", "https://cohere.example.com/v2"),
    ],
)
def test_an_address_is_as_given_or_the_kind_s_own(kind: str, given: str | None, used: str) -> None:
    assert Provider.of(kind, name="mine", api_key=KEY, base_url=given).base_url == used


def test_azure_s_versioned_api_is_for_an_address_that_is_only_the_resource() -> None:
    versions = [
        Provider.of("azure", name="mine", api_key=KEY, base_url=f"https://r.openai.azure.com{path}").api_version
        for path in ("", "/openai/v1/")
    ]
    assert versions == ["2024-10-21", None]


def test_a_provider_is_priced_by_its_kind_and_named_as_it_was_registered() -> None:
    found = Provider.of("groq", name="fast", api_key=KEY)
    assert (found.name, found.ledger_name, found.price_provider) == ("fast", "fast", "groq")
    assert Provider.of("gemini", name="mine", api_key=KEY).price_provider == "google"
