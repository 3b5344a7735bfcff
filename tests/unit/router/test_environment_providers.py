import pytest

from gateway_router.configuration import Provider
from gateway_router.environment_providers import environment_configuration
from gateway_router.settings import RouterSettings
from gateway_shared.settings import SettingsInvalid, read_settings

REQUIRED = {
    "TLS_CA_FILE": "ca.pem",
    "TLS_CERT_FILE": "router.pem",
    "TLS_KEY_FILE": "router.key",
    "JOURNAL_DIR": "journal",
    "AMQP_URL": "amqps://localhost:5671/",
    "POSTGRES_DSN": "postgresql://router@localhost:5432/gateway",
}


def settings(**environ: str) -> RouterSettings:
    return read_settings(RouterSettings, {**REQUIRED, **environ})


def providers(**environ: str) -> dict[str, Provider]:
    found = environment_configuration(settings(**environ)).registrations
    return {registration.name: registration.ways[0] for registration in found}


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
