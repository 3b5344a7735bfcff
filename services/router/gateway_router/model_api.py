"""The operation `models`: the list of what a tenant's calls may name, and one entry of it."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from weakref import ref

import orjson

from gateway_router.configuration import Configuration, Directory
from gateway_router.list_prices import ReadPrices
from gateway_router.model_catalogue import Prices, model_list, one_model
from gateway_router.model_facts import ModelMap
from gateway_router.routing import GuessProvider, Route, RoutingTable
from gateway_shared import canonical_log
from gateway_shared.errors import DatabaseUnavailable
from gateway_shared.hop_server import HopAnswer, HopCall
from gateway_shared.model_call import ModelCall

PRICES_FOR_S = 300.0
"""Unless the configuration changes: a provider may come with prices of its own."""

PRICES_AGAIN_S = 15.0
"""After the database did not answer: what was read before is shown until then."""

_HEADERS: Mapping[str, str] = {"Content-Type": "application/json"}


@dataclass(slots=True)
class ModelApi:
    """`known` is what LiteLLM's map says. Lists are made once for each configuration, off the loop: 20 ms and more.

    The configuration itself is not kept: the keys of providers that are deleted meanwhile are in it.
    """

    directory: Directory
    guess: GuessProvider
    known: ModelMap
    read_prices: ReadPrices
    clock_s: Callable[[], float] = time.monotonic
    _prices: Prices = field(default_factory=dict)
    _prices_until_s: float = float("-inf")
    _prices_version: int = 0
    _made: "tuple[ref[Configuration], Prices] | None" = None
    _lists: dict[str | None, bytes] = field(default_factory=dict)

    async def serve(self, call: HopCall, answer: HopAnswer) -> None:
        """Raises GatewayError."""
        asked = ModelCall.from_json(call.head)
        configuration = self.directory.current
        prices = await self._current_prices(configuration.version)
        if asked.model is None:
            body = await self._list(configuration, prices, _owner(configuration, asked.tenant_id))
        else:
            table = RoutingTable(configuration, asked.tenant_id, self.guess)
            body = orjson.dumps(one_model(asked.model, _first_of(table), self.known, prices))
        await answer.send(200, _HEADERS, body)

    async def _list(self, configuration: Configuration, prices: Prices, tenant_id: str | None) -> bytes:
        if self._made is None or self._made[0]() is not configuration or self._made[1] is not prices:
            self._made, self._lists = (ref(configuration), prices), {}
        lists = self._lists
        if tenant_id not in lists:
            lists[tenant_id] = await asyncio.to_thread(self._make, configuration, prices, tenant_id)
        return lists[tenant_id]

    def _make(self, configuration: Configuration, prices: Prices, tenant_id: str | None) -> bytes:
        table = RoutingTable(configuration, tenant_id, self.guess)
        registered = configuration.visible_to(tenant_id).values()
        return orjson.dumps(model_list(registered, _first_of(table), self.known, prices))

    async def _current_prices(self, version: int) -> Prices:
        if self.clock_s() >= self._prices_until_s or version != self._prices_version:
            self._prices_version = version
            # before the wait: who comes meanwhile is shown what was read before
            self._prices_until_s = self.clock_s() + PRICES_AGAIN_S
            try:
                read = await self.read_prices()
            except DatabaseUnavailable as error:
                canonical_log.exception("list prices not read", error)
                return self._prices
            self._prices_until_s = self.clock_s() + PRICES_FOR_S
            if read != self._prices:
                self._prices = read
        return self._prices


def _owner(configuration: Configuration, tenant_id: str) -> str | None:
    """The tenant, if it has any provider of its own; tenants that have none see the same list."""
    return tenant_id if any(one.tenant_id == tenant_id for one in configuration.registrations) else None


def _first_of(table: RoutingTable) -> Callable[[str], Route]:
    return lambda name: table.candidates(name).tiers[0][0][0]
