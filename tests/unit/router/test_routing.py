"""Which registered providers a model name finds, under which name, and what is said when it finds none."""

from collections.abc import Mapping
from typing import Any

import pytest

from gateway_router.configuration import Configuration, FixedDirectory, Registration
from gateway_router.kinds import FROM_ENVIRONMENT
from gateway_router.routing import Route, RoutingTable, RoutingTables, shown
from gateway_shared.errors import ModelNotFound, NoProviderConfigured
from tests.unit.router.registered import registered

ENVIRONMENT = tuple(registered(name) for name in FROM_ENVIRONMENT)


def nobody(model: str) -> None:
    return None


def routes(
    model: str,
    *registrations: Registration,
    fallbacks: Mapping[str, tuple[str, ...]] | None = None,
    tenant_id: str | None = None,
    guess: Any = nobody,
) -> list[Route]:
    """In the order of the tiers."""
    configuration = Configuration(1, registrations, fallbacks or {})
    tiers = RoutingTable(configuration, tenant_id, guess).candidates(model).tiers
    return [route for tier in tiers for keys in tier for route in keys]


def names(*arguments: Any, **more: Any) -> list[tuple[str, str]]:
    return [(route.provider.name, route.upstream_model) for route in routes(*arguments, **more)]


@pytest.mark.parametrize(
    ("model", "provider", "upstream"),
    [
        ("openai/gpt-4o", "openai", "gpt-4o"),
        ("google/gemini-2.5-flash", "google", "gemini-2.5-flash"),
        ("gemini/gemini-2.5-flash", "google", "gemini-2.5-flash"),
        ("meta_llama/Llama-3.3-70B-Instruct", "meta", "Llama-3.3-70B-Instruct"),
        ("llama/Llama-3.3-70B-Instruct", "meta", "Llama-3.3-70B-Instruct"),
        ("meta/meta-llama/Llama-4-Scout", "meta", "meta-llama/Llama-4-Scout"),
        ("openai/any-name-at-all", "openai", "any-name-at-all"),
        ("gpt-4o-mini", "openai", "gpt-4o-mini"),
        ("chatgpt-4o-latest", "openai", "chatgpt-4o-latest"),
        ("o3", "openai", "o3"),
        ("o4-mini", "openai", "o4-mini"),
        ("ft:gpt-4o:acme::abc", "openai", "ft:gpt-4o:acme::abc"),
        ("claude-3-7-sonnet-20250219", "anthropic", "claude-3-7-sonnet-20250219"),
        ("gemini-2.0-flash", "google", "gemini-2.0-flash"),
        ("gemma-3-27b-it", "google", "gemma-3-27b-it"),
        ("llama-3.3-70b", "meta", "llama-3.3-70b"),
        ("Llama-4-Scout-17B", "meta", "Llama-4-Scout-17B"),
        ("meta-llama/llama-4-scout", "meta", "meta-llama/llama-4-scout"),
    ],
)
def test_a_model_name_finds_its_provider(model: str, provider: str, upstream: str) -> None:
    assert names(model, *ENVIRONMENT) == [(provider, upstream)]


@pytest.mark.parametrize("model", ["nothing", "o", "openai/", "/gpt-4o", "gpt4", "mistral/mistral-large", ""])
def test_an_unknown_name_is_model_not_found(model: str) -> None:
    with pytest.raises(ModelNotFound):
        routes(model, *ENVIRONMENT)


@pytest.mark.parametrize(
    ("model", "variable"), [("claude-sonnet-4-5", "ANTHROPIC_API_KEY"), ("gemini/gemini-2.5-pro", "GOOGLE_API_KEY")]
)
def test_a_family_without_its_provider_says_which_variable_registers_it(model: str, variable: str) -> None:
    with pytest.raises(ModelNotFound, match=variable):
        routes(model, registered("openai"))


def test_nothing_registered_names_the_variables() -> None:
    with pytest.raises(NoProviderConfigured, match="OPENAI_API_KEY"):
        routes("gpt-4o")


def test_litellm_s_word_counts_only_for_a_registered_provider() -> None:
    openai, tail = registered("openai"), registered("tail", "together_ai")
    assert names("mixtral", openai, tail, guess=lambda model: ("together_ai", "mistralai/Mixtral-8x7B")) == [
        ("tail", "mistralai/Mixtral-8x7B")
    ]
    assert names("whisper", openai, guess=lambda model: ("openai", "whisper-1")) == [("openai", "whisper-1")]
    with pytest.raises(ModelNotFound):
        routes("gemini-x", openai, guess=lambda model: ("vertex_ai", "gemini-x"))


def test_a_registration_that_lists_a_model_goes_before_the_family() -> None:
    local = registered("local", "vllm", models=("gpt-oss-*", "gpt-4o"), aliases={"fast": "gpt-oss-20b"})
    assert names("gpt-4o", *ENVIRONMENT, local) == [("local", "gpt-4o")]
    assert names("gpt-oss-120b", *ENVIRONMENT, local) == [("local", "gpt-oss-120b")]
    assert names("fast", *ENVIRONMENT, local) == [("local", "gpt-oss-20b")]
    assert names("local/fast", *ENVIRONMENT, local) == [("local", "gpt-oss-20b")]
    assert names("gpt-4o-mini", *ENVIRONMENT, local) == [("openai", "gpt-4o-mini")]


def test_a_registration_serves_only_the_models_that_it_lists() -> None:
    with pytest.raises(ModelNotFound):
        routes("local/other", registered("local", "vllm", models=("gpt-oss-*",)))
    assert names("local/other", registered("local", "vllm")) == [("local", "other")]


@pytest.mark.parametrize(
    ("pattern", "model", "matches"),
    [
        ("*", "anything/at:all", True),
        ("gpt-4*", "gpt-4o", True),
        ("gpt-4*", "agpt-4o", False),
        ("*-mini", "gpt-4o-mini", True),
        ("a.c", "abc", False),
        ("a*c*e", "abcde", True),
        ("GPT-4", "gpt-4", False),
        ("meta-llama/*", "meta-llama/Llama-4", True),
    ],
)
def test_a_star_stands_for_anything_and_nothing_else_does(pattern: str, model: str, matches: bool) -> None:
    local = registered("local", "vllm", models=(pattern, "kept"))
    if matches:
        assert names(model, local) == [("local", model)]
    else:
        with pytest.raises(ModelNotFound):
            routes(model, local)


def test_a_kind_before_the_slash_means_its_registrations() -> None:
    mine = registered("mine", "groq")
    assert names("groq/llama-3.3-70b", mine, *ENVIRONMENT) == [("mine", "llama-3.3-70b")]
    assert names("openai/gpt-4o", registered("eu", "openai")) == [("eu", "gpt-4o")]
    with pytest.raises(ModelNotFound, match="groq, which is not configured"):
        routes("groq/llama-3.3-70b", *ENVIRONMENT)


def test_all_that_serve_a_model_stand_in_tiers_by_priority() -> None:
    found = routes(
        "m",
        registered("third", "vllm", models=("m",), priority=5),
        registered("first", "vllm", models=("*",), priority=-1, keys=2),
        registered("second", "vllm", models=("m",)),
        registered("never", "vllm", models=("n",)),
    )
    assert [(route.provider.name, route.provider.key_number) for route in found] == [
        ("first", 0),
        ("first", 1),
        ("second", 0),
        ("third", 0),
    ]


def test_a_tenant_s_own_go_before_those_of_all_and_are_seen_by_nobody_else() -> None:
    own = registered("byok", "openai", tenant_id="acme")
    assert names("gpt-4o", *ENVIRONMENT, own, tenant_id="acme") == [("byok", "gpt-4o")]
    assert names("gpt-4o", *ENVIRONMENT, own, tenant_id="other") == [("openai", "gpt-4o")]
    assert names("claude-x", *ENVIRONMENT, own, tenant_id="acme") == [("anthropic", "claude-x")]
    with pytest.raises(ModelNotFound):
        routes("byok/gpt-4o", *ENVIRONMENT, own, tenant_id="other")


def test_fallback_models_come_after_and_nothing_is_asked_twice() -> None:
    fallbacks = {"gpt-4o": ("claude-x", "unknown", "openai/gpt-4o", "gpt-4o-mini")}
    found = routes("gpt-4o", *ENVIRONMENT, fallbacks=fallbacks)
    assert [(route.upstream_model, route.fallback) for route in found] == [
        ("gpt-4o", 0),
        ("claude-x", 1),
        ("gpt-4o-mini", 4),
    ]
    assert names("gone", *ENVIRONMENT, fallbacks={"gone": ("gpt-4o",)}) == [("openai", "gpt-4o")]


def test_the_tables_follow_the_configuration_and_a_route_keeps_what_it_was_made_of() -> None:
    before, after = registered("openai", version=1), registered("openai", version=2)
    directory = FixedDirectory(Configuration(1, (before,)))
    tables = RoutingTables(directory, nobody)
    [[kept]] = tables.of("tenant").candidates("gpt-4o").tiers[0]
    assert tables.of("tenant") is tables.of("another")
    directory.current = Configuration(2, (after, registered("byok", "openai", tenant_id="tenant")))
    [[changed]] = tables.of("another").candidates("gpt-4o").tiers[0]
    assert (kept.registration, changed.registration) == (before, after)
    assert kept.target != changed.target
    assert tables.of("tenant").candidates("gpt-4o").tiers[0][0][0].provider.name == "byok"


def test_names_made_up_by_clients_are_not_kept_for_ever() -> None:
    table = RoutingTable(Configuration(1, ENVIRONMENT), None, nobody)
    for number in range(10_000):
        table.candidates(f"openai/{number}")
    assert len(table._known) <= 4_096


def test_a_message_shows_no_more_of_a_name_than_is_allowed() -> None:
    with pytest.raises(ModelNotFound) as caught:
        routes("evil\r\nx-header: 1 <script>", registered("openai"))
    assert "evil??x-header:?1??script?" in caught.value.message
    assert len(shown("a" * 1000)) == 128
