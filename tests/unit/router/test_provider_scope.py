"""Whose providers an admin key manages."""

import pytest

from gateway_router.provider_scope import check_deletion, check_owner, expected_version, owner_of
from gateway_router.stored_provider import ProviderDefinition
from gateway_shared.call_head import Caller
from gateway_shared.errors import BadRequest, GatewayError, PermissionDenied, ProviderNotFound
from gateway_shared.provider_call import ProviderCall
from tests.unit.router.stored import stored

DEFINITION = ProviderDefinition(name="mine", kind="openai", base_url="https://api.openai.com/v1")


def call(*, by: str, tenant_id: str | None = None) -> ProviderCall:
    caller = Caller(by, "user", "key", "standard", "standard")
    return ProviderCall("show", "req_1", caller, by == "default", "mine", tenant_id)


def definition(tenant_id: str | None) -> ProviderDefinition:
    return ProviderDefinition(name="mine", kind="openai", base_url="https://api.openai.com/v1", tenant_id=tenant_id)


def test_the_operator_means_the_provider_for_all_unless_a_tenant_is_named() -> None:
    assert owner_of(call(by="default")) is None
    assert owner_of(call(by="default", tenant_id="acme")) == "acme"


def test_another_tenants_key_means_its_own_and_finds_no_others() -> None:
    assert owner_of(call(by="acme")) == "acme"
    assert owner_of(call(by="acme", tenant_id="acme")) == "acme"
    with pytest.raises(ProviderNotFound):
        owner_of(call(by="acme", tenant_id="globex"))


def test_the_operator_gives_a_provider_to_whom_it_likes() -> None:
    assert check_owner(call(by="default"), definition(None)).tenant_id is None
    assert check_owner(call(by="default"), definition("acme")).tenant_id == "acme"


def test_another_tenants_key_gives_to_itself_only() -> None:
    for given in (None, "acme"):
        assert check_owner(call(by="acme"), definition(given)).tenant_id == "acme"
    with pytest.raises(PermissionDenied):
        check_owner(call(by="acme"), definition("globex"))


def test_the_tenant_of_a_new_provider_is_not_in_the_query() -> None:
    with pytest.raises(BadRequest):
        check_owner(call(by="default", tenant_id="acme"), DEFINITION)


def test_a_provider_with_prices_is_the_operators_to_delete() -> None:
    priced, plain = stored(prices={"m": {"input": "1", "output": "1"}}), stored()
    check_deletion(call(by="default"), priced)
    check_deletion(call(by="acme"), plain)
    with pytest.raises(PermissionDenied):
        check_deletion(call(by="acme"), priced)


@pytest.mark.parametrize(("header", "version"), [(None, None), ("*", None), ('"7"', 7), ("7", 7), (' "0" ', 0)])
def test_if_match_names_a_version(header: str | None, version: int | None) -> None:
    assert expected_version(header) == version


@pytest.mark.parametrize("header", ["", "seven", 'W/"7"', '"7", "8"', "-1", '"9' + "9" * 30 + '"'])
def test_another_if_match_is_refused(header: str) -> None:
    with pytest.raises(GatewayError) as caught:
        expected_version(header)
    assert (caught.value.status, caught.value.param) == (400, "If-Match")
