"""By whose prices an event is rated."""

from gateway_shared.price_provider import (
    own_price_provider,
    price_kind,
    price_providers,
    with_kind_in_lower_case,
)


def test_a_provider_with_prices_of_its_own_is_searched_before_its_kind() -> None:
    assert price_providers(own_price_provider("openai", "acme", None)) == ("openai@acme", "openai")
    assert price_providers(own_price_provider("vllm", "acme", "Tenant-1")) == ("vllm@Tenant-1/acme", "vllm")
    assert price_kind("openai@acme") == "openai"


def test_a_kind_is_searched_alone() -> None:
    assert price_providers("openai") == ("openai",)


def test_case_counts_behind_the_kind_only() -> None:
    assert with_kind_in_lower_case("OpenAI") == "openai"
    assert with_kind_in_lower_case("vLLM@Acme/mine") == "vllm@Acme/mine"
