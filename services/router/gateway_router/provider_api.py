"""The operation `providers`: what operators see and change of the providers, over the hop."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

import orjson

from gateway_router.configuration import Configuration, Registration
from gateway_router.key_ring import SecretUnreadable
from gateway_router.kinds import kind_name
from gateway_router.provider_answers import Shown, log_change, not_found, outdated
from gateway_router.provider_prices import check_cache_rates
from gateway_router.provider_request import ProviderRules, TrialRequest, parse_addition, parse_replacement, parse_trial
from gateway_router.provider_scope import check_deletion, check_owner, expected_version, is_visible, owner_of
from gateway_router.provider_store import DefinitionRefused, KeyRingMissing, LedgerOutdated, ProviderStore
from gateway_router.provider_store import ProviderNotFound as NotStored
from gateway_router.provider_store import VersionMismatch as Outdated
from gateway_router.provider_view import deleted_view, environment_view, list_view, stored_view, variable_of
from gateway_router.routing_api import RoutingApi
from gateway_router.stored_provider import ProviderDefinition, StoredProvider
from gateway_shared import canonical_log
from gateway_shared.errors import BadRequest, Conflict, JsonObject, ServiceUnavailable
from gateway_shared.hop_server import HopAnswer, HopCall
from gateway_shared.provider_call import ProviderCall

IN_FORCE_WITHIN_S = 2.0
"""How long a change waits until this worker routes by it; the others have heard of it at the same moment."""

Health = Callable[[Registration], JsonObject]
"""What this worker's calls have seen of a provider."""

Try = Callable[[ProviderCall, Registration, TrialRequest], Awaitable[JsonObject]]
"""Calls a provider once and says how that went."""


class ChangingDirectory(Protocol):
    """What is used of `live_directory.LiveDirectory`; `environment` is shown here, and changed where it is from."""

    @property
    def environment(self) -> Configuration: ...
    @property
    def current(self) -> Configuration: ...
    async def reached(self, version: int, *, timeout_s: float) -> bool: ...


@dataclass(frozen=True, slots=True)
class ProviderApi:
    store: ProviderStore
    directory: ChangingDirectory
    rules: ProviderRules
    health: Health
    try_out: Try

    async def serve(self, call: HopCall, answer: HopAnswer) -> None:
        """Raises GatewayError."""
        try:
            shown = await self._shown(ProviderCall.from_json(call.head), call.take_body())
        except KeyRingMissing:
            raise ServiceUnavailable(
                "This router can keep no keys: it has no key ring (PROVIDER_KEY_RING_FILE)."
            ) from None
        except LedgerOutdated as error:
            canonical_log.exception("prices not taken by the ledger", error)
            raise ServiceUnavailable(
                "The ledger takes no prices of providers yet: migrate billing first, or leave prices out."
            ) from None
        except DefinitionRefused as error:
            canonical_log.exception("provider refused by the database", error)
            raise BadRequest("The database does not take these values.") from None
        except SecretUnreadable:
            raise Conflict("The stored keys do not open with this router's key ring: give them again.") from None
        await answer.send(shown.status, shown.headers, orjson.dumps(shown.body))

    async def _shown(self, call: ProviderCall, body: bytes) -> Shown:
        routing = RoutingApi(self.store, self._in_force)
        match call.action:
            case "list":
                return await self.show_all(call)
            case "add":
                return await self.add(call, body)
            case "show":
                return await self.show(call)
            case "replace":
                return await self.replace(call, body)
            case "delete":
                return await self.delete(call)
            case "test":
                return await self.test(call, body)
            case "show_routing":
                return await routing.show(call)
            case "replace_routing":
                return await routing.replace(call, body)

    async def show_all(self, call: ProviderCall) -> Shown:
        owner, stored = owner_of(call), await self.store.read()
        seen = [one for one in stored.providers if is_visible(one, call, owner)]
        shadowed = {one.definition.name for one in seen if one.definition.tenant_id is None}
        registered = self.directory.environment.registrations if owner is None else ()
        views = [environment_view(one, self.health(one)) for one in registered if one.name not in shadowed]
        views += [self._view(one) for one in seen]
        return Shown(list_view(stored.version, sorted(views, key=_order)))

    async def add(self, call: ProviderCall, body: bytes) -> Shown:
        request = parse_addition(body, self._rules_for(call))
        definition = check_owner(call, request.definition)
        await self._check_prices(call, definition)
        try:
            stored = await self.store.put_provider(definition, api_keys=request.api_keys, expected_version=0)
        except Outdated as error:
            raise Conflict(
                f"There is a provider {definition.name} already (version {error.found}): PUT changes it, DELETE"
                " removes it.",
                param="name",
            ) from error
        return await self._changed(call, stored, status=201)

    async def show(self, call: ProviderCall) -> Shown:
        name, owner = _named(call)
        stored = (await self.store.read()).provider(name, owner)
        if stored is not None:
            return Shown(self._view(stored), version=stored.version)
        registration = self._from_environment(name, owner)
        if registration is None:
            raise not_found(name, owner)
        return Shown(environment_view(registration, self.health(registration)), version=registration.version)

    async def replace(self, call: ProviderCall, body: bytes) -> Shown:
        standing = await self._standing(call)
        request = parse_replacement(body, self._rules_for(call), standing=standing)
        await self._check_prices(call, request.definition, standing.definition)
        try:
            # the version that was looked at: what is stored meanwhile was not checked against this request
            stored = await self.store.put_provider(
                request.definition, api_keys=request.api_keys, expected_version=standing.version
            )
        except Outdated as error:
            raise outdated(call, error.found) from error
        return await self._changed(call, stored)

    async def delete(self, call: ProviderCall) -> Shown:
        standing = await self._standing(call)
        check_deletion(call, standing)
        name, owner = _named(call)
        try:
            deleted = await self.store.delete_provider(name, owner, expected_version=standing.version)
        except NotStored as error:
            raise not_found(name, owner) from error
        except Outdated as error:
            raise outdated(call, error.found) from error
        await self._in_force((await self.store.read()).version)
        log_change(call, name, owner, deleted.version)
        return Shown(deleted_view(deleted))

    async def test(self, call: ProviderCall, body: bytes) -> Shown:
        name, owner = _named(call)
        found = self._registered(name, owner)
        if found is None:
            raise not_found(name, owner)
        if not found.ways:
            raise Conflict("This router cannot call it now: configuration.unusable in its /health says why.")
        result = await self.try_out(call, found, parse_trial(body, key_count=len(found.ways)))
        log_change(call, name, owner, found.version)
        return Shown(result)

    async def _standing(self, call: ProviderCall) -> StoredProvider:
        """The stored provider that the path names, of the version that `If-Match` names."""
        name, owner = _named(call)
        expected = expected_version(call.if_match)
        stored = (await self.store.read()).provider(name, owner)
        if stored is None:
            registration = self._from_environment(name, owner)
            if registration is None:
                raise not_found(name, owner)
            raise Conflict(
                f"Provider {name} is registered by the router's environment ({variable_of(registration)}), and changed"
                " there. One that is added under the same name stands in its place."
            )
        if expected not in (None, stored.version):
            raise outdated(call, stored.version)
        return stored

    async def _check_prices(
        self, call: ProviderCall, definition: ProviderDefinition, standing: ProviderDefinition | None = None
    ) -> None:
        """An operator's, those that are not as they stand. Raises BadRequest."""
        known = standing.prices if standing is not None and standing.kind == definition.kind else {}
        changed = {model: one for model, one in definition.prices.items() if one != known.get(model)}
        if changed and call.is_operator:
            check_cache_rates(changed, await self.store.listed_cache_rates(kind_name(definition.kind)))

    def _from_environment(self, name: str, owner: str | None) -> Registration | None:
        return None if owner is not None else self.directory.environment.visible_to(None).get(name)

    async def _changed(self, call: ProviderCall, stored: StoredProvider, *, status: int = 200) -> Shown:
        name, owner = stored.definition.name, stored.definition.tenant_id
        await self._in_force(stored.version)
        log_change(call, name, owner, stored.version)
        query = f"?tenant_id={owner}" if owner is not None else ""
        location = f"/v1/providers/{name}{query}" if status == 201 else None
        return Shown(self._view(stored), status, stored.version, location)

    async def _in_force(self, version: int) -> None:
        """So that whoever changed something finds it changed; where it takes longer, it is stored all the same."""
        if not await self.directory.reached(version, timeout_s=IN_FORCE_WITHIN_S):
            canonical_log.warning("configuration not in force yet", version=version)

    def _rules_for(self, call: ProviderCall) -> ProviderRules:
        return replace(self.rules, by_operator=call.is_operator)

    def _registered(self, name: str, owner: str | None) -> Registration | None:
        registrations = self.directory.current.registrations
        return next((one for one in registrations if (one.name, one.tenant_id) == (name, owner)), None)

    def _view(self, stored: StoredProvider) -> JsonObject:
        registration = self._registered(stored.definition.name, stored.definition.tenant_id)
        return stored_view(stored, self.health(registration) if registration is not None else {})


def _named(call: ProviderCall) -> tuple[str, str | None]:
    return call.provider or "", owner_of(call)


def _order(view: JsonObject) -> tuple[str, str]:
    return str(view["name"]), str(view["tenant_id"] or "")
