"""`/v1/providers/routing`: what holds for all providers and all tenants, so the operator's alone."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway_router.provider_answers import Shown, log_change, outdated
from gateway_router.provider_request import parse_routing
from gateway_router.provider_scope import expected_version
from gateway_router.provider_store import ProviderStore
from gateway_router.provider_store import VersionMismatch as Outdated
from gateway_router.provider_view import routing_view
from gateway_router.stored_provider import StoredRouting
from gateway_shared.errors import PermissionDenied
from gateway_shared.provider_call import ProviderCall

InForce = Callable[[int], Awaitable[None]]
"""Waits until this worker routes by that version of the configuration."""


@dataclass(frozen=True, slots=True)
class RoutingApi:
    store: ProviderStore
    in_force: InForce

    async def show(self, call: ProviderCall) -> Shown:
        _check_operator(call)
        return _shown(await self.store.get_routing())

    async def replace(self, call: ProviderCall, body: bytes) -> Shown:
        _check_operator(call)
        wanted = StoredRouting(fallbacks=parse_routing(body))
        try:
            routing = await self.store.put_routing(wanted, expected_version=expected_version(call.if_match))
        except Outdated as error:
            raise outdated(call, error.found) from error
        await self.in_force(routing.version)
        log_change(call, None, None, routing.version)
        return _shown(routing)


def _shown(routing: StoredRouting) -> Shown:
    return Shown(routing_view(routing), version=routing.version)


def _check_operator(call: ProviderCall) -> None:
    if not call.is_operator:
        raise PermissionDenied("Routing is for all tenants: it takes an admin key of the operator's tenant.")
