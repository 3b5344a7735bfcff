"""What `/v1/models` lists for a tenant, and that each name in it is one that its calls can use."""

from collections.abc import Iterable
from typing import Any

import pytest

from gateway_router.configuration import Configuration, Provider, Registration
from gateway_router.model_catalogue import Find, Prices, model_list, one_model
from gateway_router.model_facts import ModelMap
from gateway_router.routing import RoutingTable
from gateway_shared.errors import JsonObject, ModelNotFound
from gateway_shared.settings import Secret

MAP = ModelMap(
    {
        "gpt-4o": {
            "litellm_provider": "openai",
            "mode": "chat",
            "max_input_tokens": 128_000,
            "max_output_tokens": 16_384,
            "supports_vision": True,
            "supports_function_calling": True,
            "supports_reasoning": False,
        },
        "gpt-4o-2024-08-06": {"litellm_provider": "openai", "mode": "chat"},
        "o3-pro": {"litellm_provider": "openai", "mode": "responses"},
        "text-embedding-3-small": {"litellm_provider": "openai", "mode": "embedding"},
        "gemini/gemini-2.5-flash": {"litellm_provider": "gemini", "mode": "chat"},
        "groq/openai/gpt-oss-20b": {"litellm_provider": "groq", "mode": "chat"},
        "command-r": {"litellm_provider": "cohere_chat", "mode": "chat"},
    }
)
PRICES: Prices = {("openai", "gpt-4o"): {"input": "2.5"}}


def registered(name: str, kind: str, **said: Any) -> Registration:
    way = Provider.of(kind, name=name, api_key=Secret("sk-test"), base_url="https://llm.example.com/v1")
    return Registration(name, kind, (way,), **said)


def find_in(configuration: Configuration, tenant_id: str | None = None) -> Find:
    table = RoutingTable(configuration, tenant_id, lambda model: ("cohere", model) if model == "command-r" else None)
    return lambda name: table.candidates(name).tiers[0][0][0]


def listed(*registrations: Registration, tenant_id: str | None = None) -> dict[str, Any]:
    configuration = Configuration(registrations=registrations)
    visible: Iterable[Registration] = configuration.visible_to(tenant_id).values()
    return model_list(visible, find_in(configuration, tenant_id), MAP, PRICES)


def ids(found: dict[str, Any]) -> list[str]:
    return [entry["id"] for entry in found["data"]]


def test_a_kind_that_lists_nothing_has_what_the_map_knows_of_it() -> None:
    assert ids(listed(registered("openai", "openai"))) == ["gpt-4o", "gpt-4o-2024-08-06", "o3-pro"]
    assert ids(listed(registered("google", "google"))) == ["gemini-2.5-flash"]
    assert ids(listed(registered("cohere", "cohere"))) == ["command-r"]


def test_what_is_registered_is_listed_and_nothing_else_of_its_kind() -> None:
    found = listed(registered("mine", "openai", models=("gpt-4o", "my-tune"), aliases={"fast": "gpt-4o"}))
    assert ids(found) == ["fast", "gpt-4o", "my-tune"]
    fast = found["data"][0]
    assert (fast["root"], fast["owned_by"], fast["context_window"]) == ("gpt-4o", "mine", 128_000)


def test_a_pattern_is_filled_from_the_map_and_told_beside_it() -> None:
    found = listed(registered("mine", "openai", models=("gpt-*",)))
    assert ids(found) == ["gpt-4o", "gpt-4o-2024-08-06"]
    assert found["patterns"] == [{"pattern": "gpt-*", "owned_by": "mine"}]


def test_a_name_that_would_find_another_provider_has_its_own_in_front() -> None:
    found = listed(registered("openai", "openai", models=("gpt-4o",)), registered("groq", "groq"))
    assert ids(found) == ["gpt-4o", "groq/openai/gpt-oss-20b"]
    assert found["data"][1]["root"] == "openai/gpt-oss-20b"


def test_the_same_model_twice_is_listed_under_both_names() -> None:
    found = listed(
        registered("first", "openai", models=("gpt-4o",)),
        registered("second", "openai", models=("gpt-4o",), priority=1),
    )
    assert [(entry["id"], entry["owned_by"]) for entry in found["data"]] == [
        ("gpt-4o", "first"), ("second/gpt-4o", "second"),
    ]  # fmt: skip


def test_a_tenants_own_provider_is_in_its_own_list_only() -> None:
    own = registered("mine", "vllm", models=("llama",), tenant_id="acme")
    assert ids(listed(own, tenant_id="acme")) == ["llama"]
    assert ids(listed(own, tenant_id="globex")) == ids(listed(own)) == []


def test_facts_and_prices_are_there_where_they_are_known() -> None:
    known, dated, _ = listed(registered("openai", "openai"))["data"]
    assert (known["context_window"], known["max_output_tokens"]) == (128_000, 16_384)
    assert known["capabilities"] == ("tools", "vision")
    assert known["prices"] == dated["prices"] == {"input": "2.5"}
    unknown = listed(registered("mine", "vllm", models=("m",)))["data"][0]
    assert (unknown["context_window"], unknown["capabilities"], unknown["prices"]) == (None, None, None)


def test_the_price_shown_is_the_one_that_counts() -> None:
    """In the order of billing's books."""
    way = Provider.of(
        "openai", name="mine", api_key=Secret("sk-test"), base_url="https://x.example.com", price_provider="openai@mine"
    )
    own = Registration("mine", "openai", (way,))
    find = find_in(Configuration(registrations=(own,)))
    prices: dict[tuple[str, str], JsonObject] = {
        ("openai", "gpt-4o"): {"input": "2.5"},
        ("openai", "gpt-4o-2024-08-06"): {"input": "5"},
        ("openai@mine", "gpt-4o"): {"input": "1"},
    }
    listed_models: Any = model_list([own], find, MAP, prices)["data"]
    shown = {entry["root"]: entry["prices"] for entry in listed_models}
    assert shown == {"gpt-4o": {"input": "1"}, "gpt-4o-2024-08-06": {"input": "5"}, "o3-pro": None}
    del prices["openai", "gpt-4o-2024-08-06"]
    assert one_model("gpt-4o-2024-08-06", find, MAP, prices)["prices"] == {"input": "1"}


def test_each_name_is_found_again_by_itself() -> None:
    configuration = Configuration(
        registrations=(
            registered("openai", "openai"),
            registered("groq", "groq"),
            registered("mine", "vllm", models=("m-*",), aliases={"fast": "m-7b"}),
        )
    )
    find = find_in(configuration)
    entries: Any = model_list(configuration.registrations, find, MAP, PRICES)["data"]
    for entry in entries:
        assert one_model(entry["id"], find, MAP, PRICES) == entry


@pytest.mark.parametrize("name", ["openai/gpt-4o", "mine/m-13b", "m-13b", "free/anything"])
def test_what_can_be_called_beyond_the_list_is_found(name: str) -> None:
    configuration = Configuration(
        registrations=(
            registered("openai", "openai"),
            registered("mine", "vllm", models=("m-*",)),
            registered("free", "openai_compatible"),
        )
    )
    assert one_model(name, find_in(configuration), MAP, PRICES)["id"] == name


@pytest.mark.parametrize("name", ["gpt-9", "openai/gpt-9", "mine/other", "nothing"])
def test_what_is_not_known_is_not_there(name: str) -> None:
    configuration = Configuration(
        registrations=(registered("openai", "openai"), registered("mine", "vllm", models=("m",)))
    )
    with pytest.raises(ModelNotFound):
        one_model(name, find_in(configuration), MAP, PRICES)
