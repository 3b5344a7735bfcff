"""What `/v1/providers` takes, and that a refusal names the field and quotes no value."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_router.provider_request import (
    ProviderRules,
    TrialRequest,
    parse_addition,
    parse_replacement,
    parse_routing,
    parse_trial,
)
from gateway_router.sealed_secret import SealedSecret
from gateway_router.stored_provider import StoredKey, StoredProvider
from gateway_shared.errors import BadRequest, PermissionDenied

RULES = ProviderRules(
    knows_kind={"cohere", "vertex_ai", "github_copilot"}.__contains__, allowed_hosts=["10.0.0.5:8000"]
)
KEY = "sk-secret-0123456789"
GOOD: dict[str, Any] = {"name": "mine", "kind": "openai", "api_key": KEY}
WITHOUT_KEY: dict[str, Any] = {"kind": "openai", "base_url": "https://api.example.com/v1"}


def body(**members: Any) -> bytes:
    return orjson.dumps({**GOOD, **members})


def stored(**members: Any) -> StoredProvider:
    """As `parse_addition` takes it, with one key."""
    definition = parse_addition(body(base_url="https://api.example.com/v1", **members), RULES).definition
    key, now = StoredKey("6789", SealedSecret("ring-1", b"", b"")), datetime(2026, 11, 24, tzinfo=UTC)
    return StoredProvider(definition=definition, api_keys=(key,), version=7, created_at=now, updated_at=now)


def refusal(data: bytes) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        parse_addition(data, RULES)
    return caught.value


def test_little_is_enough() -> None:
    request = parse_addition(body(), RULES)
    assert request.definition.base_url == "https://api.openai.com/v1"
    assert (request.definition.weight, request.definition.priority, request.definition.models) == (1, 0, ())
    assert [key.reveal() for key in request.api_keys or ()] == [KEY]


def test_everything_can_be_said() -> None:
    said = {
        "tenant_id": "acme",
        "models": ["gpt-*", "my/model:7b"],
        "aliases": {"fast": "gpt-4o-mini"},
        "priority": -2,
        "weight": 3,
        "max_open_calls": 10,
        "requests_per_minute": 60,
        "connect_timeout_s": 1,
        "first_byte_timeout_s": 2.5,
        "silence_timeout_s": 3,
        "call_timeout_s": 4,
    }
    data = orjson.dumps(
        {**said, "name": "m", "kind": "vllm", "base_url": "http://10.0.0.5:8000", "api_keys": ["a", "b"]}
    )
    request = parse_addition(data, RULES)
    for name, value in said.items():
        found = getattr(request.definition, name)
        assert (list(found) if isinstance(found, tuple) else found) == value
    assert [key.reveal() for key in request.api_keys or ()] == ["a", "b"]


@pytest.mark.parametrize(
    ("members", "kind", "base_url"),
    [
        ({"kind": "ollama", "base_url": "http://10.0.0.5:8000/"}, "ollama", "http://10.0.0.5:8000"),
        (
            {"kind": "openai-compatible", "base_url": "https://x.example/v1"},
            "openai_compatible",
            "https://x.example/v1",
        ),
        ({"kind": "cohere"}, "cohere", ""),
    ],
)
def test_kinds_of_ours_and_of_litellms(members: dict[str, Any], kind: str, base_url: str) -> None:
    definition = parse_addition(body(**members), RULES).definition
    assert (definition.kind, definition.base_url) == (kind, base_url)


@pytest.mark.parametrize(
    ("param", "members"),
    [
        ("name", {"name": None}),
        ("name", {"name": "With Space"}),
        ("name", {"name": "a" * 65}),
        ("name", {"name": "routing"}),
        ("kind", {"kind": None}),
        ("kind", {"kind": "no-such-kind"}),
        ("kind", {"kind": 7}),
        ("kind", {"kind": "vertex_ai"}),
        ("kind", {"kind": "github-copilot"}),
        ("base_url", {"kind": "vllm"}),
        ("base_url", {"base_url": "http://api.example.com"}),
        ("base_url", {"base_url": "https://10.0.0.5"}),
        ("base_url", {"base_url": "https://user:word@api.example.com"}),
        ("base_url", {"base_url": "https://api.example.com?x=1"}),
        ("base_url", {"base_url": ["https://api.example.com"]}),
        ("api_key", {"api_key": None}),
        ("api_key", {"api_key": "with space"}),
        ("api_key", {"api_key": "line\r\nbreak"}),
        ("api_key", {"api_key": "x" * 4097}),
        ("api_key", {"api_key": None, "api_keys": []}),
        ("api_keys", {"api_keys": [KEY]}),
        ("api_keys", {"api_key": None, "api_keys": KEY}),
        ("api_keys", {"api_key": None, "api_keys": [KEY, KEY]}),
        ("api_keys[1]", {"api_key": None, "api_keys": [KEY, ""]}),
        ("api_keys", {"api_key": None, "api_keys": [f"{KEY}{n}" for n in range(17)]}),
        ("tenant_id", {"tenant_id": "no such/tenant"}),
        ("models", {"models": "gpt-4o"}),
        ("models[0]", {"models": ["gpt 4o"]}),
        ("aliases", {"aliases": {"a b": "gpt-4o"}}),
        ("aliases.fast", {"aliases": {"fast": "gpt-*"}}),
        ("priority", {"priority": 1.5}),
        ("weight", {"weight": 0}),
        ("weight", {"weight": True}),
        ("max_open_calls", {"max_open_calls": 0}),
        ("requests_per_minute", {"requests_per_minute": "60"}),
        ("call_timeout_s", {"call_timeout_s": 0}),
        ("connect_timeout_s", {"connect_timeout_s": 1e9}),
        ("prices", {"prices": [1]}),
        ("prices.gpt-4o.output", {"prices": {"gpt-4o": {"input": 1}}}),
        ("colour", {"colour": "red"}),
    ],
)
def test_a_refusal_names_the_field_and_quotes_no_value(param: str, members: dict[str, Any]) -> None:
    error = refusal(body(**members))
    assert (error.status, error.param) == (400, param)
    assert error.message.startswith(param)
    assert KEY not in error.message


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"7", b'{"name": "\xff"}', b"{" + b'"a":[' * 2000])
def test_what_is_no_object_is_refused(data: bytes) -> None:
    assert refusal(data).status == 400


def test_the_reason_why_an_address_is_refused_is_told() -> None:
    assert "not a public address" in refusal(body(base_url="https://127.0.0.1/v1")).message
    assert "EGRESS_ALLOW_HOSTS=vllm.internal:80" in refusal(body(base_url="http://vllm.internal/v1")).message


@pytest.mark.parametrize("url", ["http://10.0.0.5:8000", "https://vllm.internal:8443/v1", "https://10.0.0.5:8000"])
def test_what_the_operator_allows_is_for_the_operators_providers(url: str) -> None:
    rules = ProviderRules(RULES.knows_kind, allowed_hosts=["10.0.0.5:8000", "vllm.internal:8443"])
    data = body(kind="vllm", base_url=url)
    assert parse_addition(data, rules).definition.base_url == url
    with pytest.raises(BadRequest) as caught:
        parse_addition(data, replace(rules, by_operator=False))
    assert caught.value.param == "base_url"


def test_keys_that_are_not_given_are_kept() -> None:
    request = parse_replacement(orjson.dumps({**WITHOUT_KEY, "weight": 9}), RULES, standing=stored(weight=2))
    assert request.api_keys is None
    assert request.definition.weight == 9


def test_what_else_is_not_given_is_as_in_a_new_provider() -> None:
    request = parse_replacement(orjson.dumps(WITHOUT_KEY), RULES, standing=stored(weight=2, models=["a"]))
    assert (request.definition.weight, request.definition.models) == (1, ())


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "https://evil.example.com/v1"},
        {"base_url": "https://api.example.com:8443/v1"},
        {"base_url": None},
        {"kind": "mistral"},
        {"kind": "cohere", "base_url": None},
    ],
)
def test_kept_keys_go_nowhere_else(change: dict[str, Any]) -> None:
    """Whoever has taken over an admin key could read the keys otherwise."""
    data = {**WITHOUT_KEY, **change}
    with pytest.raises(BadRequest) as caught:
        parse_replacement(orjson.dumps(data), RULES, standing=stored())
    assert caught.value.param == "api_key"
    assert "whoever takes over" in caught.value.message
    assert parse_replacement(orjson.dumps({**data, "api_key": "new-key"}), RULES, standing=stored()).api_keys


def test_another_path_of_the_same_host_keeps_the_keys() -> None:
    data = orjson.dumps({**WITHOUT_KEY, "base_url": "https://api.example.com/v2"})
    assert parse_replacement(data, RULES, standing=stored()).api_keys is None


def test_without_stored_keys_the_address_is_free() -> None:
    standing = replace(stored(), api_keys=())
    data = orjson.dumps({"kind": "vllm", "base_url": "https://other.example.com"})
    assert not parse_replacement(data, RULES, standing=standing).api_keys


def test_a_kind_that_needs_a_key_keeps_one() -> None:
    with pytest.raises(BadRequest) as caught:
        parse_replacement(orjson.dumps({**WITHOUT_KEY, "api_keys": []}), RULES, standing=stored())
    assert caught.value.param == "api_key"


@pytest.mark.parametrize("field", ["name", "tenant_id"])
def test_name_and_tenant_stay(field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_replacement(orjson.dumps({**WITHOUT_KEY, field: "other"}), RULES, standing=stored())
    assert caught.value.param == field
    kept = parse_replacement(orjson.dumps(WITHOUT_KEY), RULES, standing=stored(tenant_id="acme"))
    assert kept.definition.tenant_id == "acme"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from([*GOOD, "base_url", "api_keys", "models", "aliases", "weight", "call_timeout_s", "tenant_id"])


@given(members=st.dictionaries(MEMBERS, JSON, max_size=4))
def test_whatever_comes_is_taken_or_refused_and_fits_the_database_if_taken(members: dict[str, Any]) -> None:
    try:
        definition = parse_addition(body(**members), RULES).definition
    except BadRequest:
        return
    assert b"\\u0000" not in orjson.dumps(definition)
    assert -(2**31) <= definition.priority < 2**31
    assert definition.base_url == "" or len(definition.base_url) <= 2048


def test_fallbacks_are_read() -> None:
    data = orjson.dumps({"fallbacks": {"gpt-4o": ["claude-sonnet-4-5", "gemini-2.5-flash"]}})
    assert parse_routing(data) == {"gpt-4o": ("claude-sonnet-4-5", "gemini-2.5-flash")}
    assert parse_routing(b"{}") == {}


@pytest.mark.parametrize(
    "fallbacks", [[], {"a b": ["c"]}, {"a": []}, {"a": "b"}, {"a": ["a"]}, {"a": ["b*"]}, {"a": [*"bcdefghij"]}]
)
def test_fallbacks_that_make_no_sense_are_refused(fallbacks: Any) -> None:
    with pytest.raises(BadRequest):
        parse_routing(orjson.dumps({"fallbacks": fallbacks}))


@pytest.mark.parametrize("value", ["claude", None, [], ["gpt-4o"]])
def test_a_refused_fallback_is_named_with_its_place(value: Any) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_routing(orjson.dumps({"fallbacks": {"gpt-4o": value}}))
    assert refused.value.param == "fallbacks.gpt-4o"


def test_a_test_may_name_a_model_and_a_key() -> None:
    assert parse_trial(b"", key_count=1) == parse_trial(b"{}", key_count=0) == TrialRequest(None, 0)
    assert parse_trial(b'{"model": "gpt-4o", "key_number": 1}', key_count=2) == TrialRequest("gpt-4o", 1)
    for data in (b'{"model": "*"}', b'{"key_number": 2}', b'{"key": 1}'):
        with pytest.raises(BadRequest):
            parse_trial(data, key_count=2)


PRICES = {"gpt-4o": {"input": "2.5", "output": "10"}}
BY_TENANT = replace(RULES, by_operator=False)


def test_an_operators_replacement_says_all_prices() -> None:
    standing = stored(prices=PRICES)
    assert standing.definition.prices == PRICES
    assert parse_replacement(body(prices=PRICES), RULES, standing=standing).definition.prices == PRICES
    assert parse_replacement(body(), RULES, standing=standing).definition.prices == {}


def test_a_tenant_sets_no_prices_and_keeps_the_operators() -> None:
    standing = stored(prices=PRICES, tenant_id="acme")
    for said in ({}, {"prices": PRICES}, {"prices": None}):
        assert parse_replacement(body(**said), BY_TENANT, standing=standing).definition.prices == PRICES
    free = {"prices": {"gpt-4o": {"input": 0, "output": 0, "free": True}}}
    others: list[dict[str, Any]] = [free, {"prices": {}}]
    for other in others:
        with pytest.raises(PermissionDenied) as caught:
            parse_replacement(body(**other), BY_TENANT, standing=standing)
        assert caught.value.param == "prices"
    with pytest.raises(PermissionDenied):
        parse_addition(body(**free), BY_TENANT)
    assert parse_addition(body(prices={}), BY_TENANT).definition.prices == {}
