"""Whose providers an admin key manages: the operator's all of them, any other tenant's only its own. Pure."""

import re
from dataclasses import replace

from gateway_router.stored_provider import ProviderDefinition, StoredProvider
from gateway_shared.errors import BadRequest, PermissionDenied, ProviderNotFound
from gateway_shared.provider_call import ProviderCall

_VERSION = re.compile(r'"?([0-9]{1,18})"?')


def owner_of(call: ProviderCall) -> str | None:
    """The tenant whose provider the path means, None for one that is there for all.

    Raises ProviderNotFound: what belongs to another tenant is not there for this key.
    """
    if call.is_operator:
        return call.tenant_id
    if call.tenant_id not in (None, call.caller.tenant_id):
        raise ProviderNotFound
    return call.caller.tenant_id


def is_visible(provider: StoredProvider, call: ProviderCall, owner: str | None) -> bool:
    """In a list: the operator's is of everything unless it names a tenant."""
    return (call.is_operator and owner is None) or provider.definition.tenant_id == owner


def check_owner(call: ProviderCall, definition: ProviderDefinition) -> ProviderDefinition:
    """The definition of a new provider with its owner. Raises BadRequest and PermissionDenied."""
    if call.tenant_id is not None:
        raise BadRequest("tenant_id of a new provider belongs into the body.", param="tenant_id")
    if call.is_operator:
        return definition
    if definition.tenant_id not in (None, call.caller.tenant_id):
        raise PermissionDenied("tenant_id: this key manages its own tenant's providers only.", param="tenant_id")
    return replace(definition, tenant_id=call.caller.tenant_id)


def check_deletion(call: ProviderCall, standing: StoredProvider) -> None:
    """Who deletes a provider and adds it again has it without its prices. Raises PermissionDenied."""
    if standing.definition.prices and not call.is_operator:
        raise PermissionDenied("prices: the operator set them, so the operator deletes this provider.", param="prices")


def expected_version(if_match: str | None) -> int | None:
    """What `If-Match` asks for; None for any. Raises BadRequest for anything but one ETag of ours or `*`."""
    if if_match is None or if_match.strip() == "*":
        return None
    found = _VERSION.fullmatch(if_match.strip())
    if found is None:
        raise BadRequest("If-Match is the ETag of one version, or *.", param="If-Match")
    return int(found[1])
