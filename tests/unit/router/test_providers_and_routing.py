from dataclasses import replace

import pytest

from gateway_router.configuration import Provider
from gateway_router.environment_providers import environment_configuration
from gateway_router.routing import route, shown
from gateway_router.settings import RouterSettings
from gateway_shared.errors import ModelNotFound, NoProviderConfigured
from gateway_shared.settings import SettingsInvalid, read_settings

REQUIRED = {
    "TLS_CA_FILE": "ca.pem",
    "TLS_CERT_FILE": "router.pem",
    "TLS_KEY_FILE": "router.key",
    "JOURNAL_DIR": "journal",
    "AMQP_URL": "amqps://localhost:5671/",
    "POSTGRES_DSN": "postgresql://router@localhost:5432/gateway",
}
ALL_KEYS = {f"{name}_API_KEY": "k" for name in ("OPENAI", "ANTHROPIC", "GOOGLE", "META")}


def settings(**environ: str) -> RouterSettings:
    return read_settings(RouterSettings, {**REQUIRED, **environ})


def providers(**environ: str) -> dict[str, Provider]:
    found = environment_configuration(settings(**environ)).registrations
    return {registration.name: registration.ways[0] for registration in found}


def nobody(model: str) -> None:
    return None


def test_a_key_registers_its_provider_at_its_own_address() -> None:
    found = providers(ANTHROPIC_API_KEY="k", META_API_KEY="k")
    assert {name: provider.base_url for name, provider in found.items()} == {
        "anthropic": "https://api.anthropic.com",
        "meta": "https://api.llama.com/compat/v1",
    }
    assert [provider.ledger_name for provider in found.values()] == ["anthropic", "meta"]
    assert "k" not in repr(found["meta"].api_key)


SIMULATED = {"SIMULATOR_URL": "http://127.0.0.1:19001/", "EGRESS_ALLOW_HOSTS": "127.0.0.1:19001"}


def test_without_keys_the_simulator_stands_in_for_all_and_says_so() -> None:
    found = providers(**SIMULATED)
    assert {name: provider.base_url for name, provider in found.items()} == {
        "openai": "http://127.0.0.1:19001/openai/v1",
        "anthropic": "http://127.0.0.1:19001/anthropic",
        "google": "http://127.0.0.1:19001/google",
        "meta": "http://127.0.0.1:19001/meta/v1",
    }
    assert {provider.ledger_name for provider in found.values()} == {"simulator"}
    assert [provider.price_provider for provider in found.values()] == list(found)


def test_one_real_key_leaves_the_simulator_out() -> None:
    assert list(providers(OPENAI_API_KEY="k", **SIMULATED)) == ["openai"]


def test_every_refused_base_url_is_named_without_its_password() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        providers(
            OPENAI_API_KEY="k",
            OPENAI_BASE_URL="http://10.0.0.1/v1",
            META_API_KEY="k",
            META_BASE_URL="https://u:hunter2@api.llama.com/v1",
        )
    assert len(caught.value.problems) == 2
    assert "OPENAI_BASE_URL" in caught.value.problems[0]
    assert "hunter2" not in str(caught.value)


def test_the_simulator_too_must_be_allowed() -> None:
    with pytest.raises(SettingsInvalid, match="SIMULATOR_URL"):
        providers(SIMULATOR_URL="http://127.0.0.1:19001")


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
    found = route(model, providers(**ALL_KEYS), nobody)
    assert (found.provider.name, found.upstream_model) == (provider, upstream)


@pytest.mark.parametrize("model", ["nothing", "o", "openai/", "/gpt-4o", "gpt4", "mistral/mistral-large", ""])
def test_an_unknown_name_is_model_not_found(model: str) -> None:
    with pytest.raises(ModelNotFound):
        route(model, providers(**ALL_KEYS), nobody)


@pytest.mark.parametrize(
    ("model", "variable"), [("claude-sonnet-4-5", "ANTHROPIC_API_KEY"), ("gemini/gemini-2.5-pro", "GOOGLE_API_KEY")]
)
def test_a_family_without_its_provider_says_which_variable_registers_it(model: str, variable: str) -> None:
    with pytest.raises(ModelNotFound, match=variable):
        route(model, providers(OPENAI_API_KEY="k"), nobody)


def test_nothing_registered_names_the_variables() -> None:
    with pytest.raises(NoProviderConfigured, match="OPENAI_API_KEY"):
        route("gpt-4o", {}, nobody)


def test_litellm_s_word_counts_only_for_a_registered_provider() -> None:
    registered = providers(OPENAI_API_KEY="k")
    tail = replace(registered["openai"], name="tail", wire="litellm", litellm_name="groq")
    assert route("mixtral", {**registered, "tail": tail}, lambda model: ("groq", "mixtral-8x7b")).provider is tail
    assert route("whisper", registered, lambda model: ("openai", "whisper-1")).upstream_model == "whisper-1"
    with pytest.raises(ModelNotFound):
        route("gemini-x", {"openai": registered["openai"]}, lambda model: ("vertex_ai", "gemini-x"))


def test_a_message_shows_no_more_of_a_name_than_is_allowed() -> None:
    with pytest.raises(ModelNotFound) as caught:
        route("evil\r\nx-header: 1 <script>", providers(OPENAI_API_KEY="k"), nobody)
    assert "evil??x-header:?1??script?" in caught.value.message
    assert len(shown("a" * 1000)) == 128
