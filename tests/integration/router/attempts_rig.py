"""A router with a retry policy, and a simulator whose models are told what to do."""

import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway_router.breaker import BreakerPolicy
from gateway_router.configuration import Configuration, Provider, Registration
from gateway_router.limits import CallLimits
from gateway_router.provider_health import ProviderHealth
from gateway_router.resilience import Resilience
from gateway_router.retry_budget import RetryBudget
from gateway_router.retry_policy import RetryPolicy
from gateway_shared.settings import Secret
from tests.integration.router.router_rig import RouterRig, Simulator, open_rig
from tests.recordings import Received
from tests.servers import Certificates

POLICY = RetryPolicy(max_attempts=3, first_backoff_s=0.02, max_backoff_s=0.05, max_retry_after_s=1)

OpenRig = Callable[..., AbstractAsyncContextManager[RouterRig]]


@dataclass
class Scripted:
    """A simulator whose models are told what to do."""

    simulator: Simulator

    async def script(self, *rules: tuple[str, str, int | None]) -> None:
        """Of upstream model, directive, and for how many requests."""
        document = [{"model": model, "directive": directive, "requests": times} for model, directive, times in rules]
        async with self.simulator.session.put(f"{self.simulator.url}/simulator/script", json=document) as response:
            assert response.status == 200, await response.text()

    async def asked(self) -> list[str]:
        """The models of the requests that came, in order."""
        return [request["model"] for request in await self.simulator.requests()]


def resilience(**policy: Any) -> Resilience:
    health = ProviderHealth(BreakerPolicy(min_failures=4, open_s=0.3))
    return Resilience(replace(POLICY, **policy), health, RetryBudget(), chance=random.Random(1).random)


def at(url: str, name: str, upstream_model: str, *, kind: str = "openai", keys: int = 1, **more: Any) -> Registration:
    """Serves `m` as `upstream_model`."""
    path = {"openai": "/openai/v1", "anthropic": "/anthropic"}[kind]
    ways = [
        Provider.of(kind, name=name, api_key=Secret(f"sk-{name}-{number}"), base_url=url + path, key_number=number)
        for number in range(keys)
    ]
    return Registration(name, kind, tuple(ways), models=("none",), aliases={"m": upstream_model}, **more)


def configured(*registrations: Registration, fallbacks: Mapping[str, tuple[str, ...]] | None = None) -> Configuration:
    return Configuration(1, registrations, fallbacks or {})


def opening(certificates: Certificates, folder: Path) -> OpenRig:
    """Opens a router with these registrations; further arguments are those of RetryPolicy, and `fallbacks`."""

    @asynccontextmanager
    async def opened(
        *registrations: Registration, limits: CallLimits | None = None, shared: Resilience | None = None, **more: Any
    ) -> AsyncIterator[RouterRig]:
        configuration = configured(*registrations, fallbacks=more.pop("fallbacks", None))
        shared = shared or resilience(**more)
        async with open_rig(certificates, folder, configuration, limits, resilience=shared) as router:
            yield router

    return opened


def ask(router: RouterRig, *, stream: bool = False, text: str = "one [[sim words=3]]") -> Any:
    return router.call({"model": "m", "messages": [{"role": "user", "content": text}], "stream": stream})


def attempts(router: RouterRig) -> list[tuple[str, int, bool, str, int]]:
    """Of the settled events: provider, attempt, is_final, status, http_status."""
    events = router.settled()
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert len({event.event_id for event in events}) == len(events) == len(router.intents())
    return [(one.provider, one.attempt, one.is_final, one.status, one.http_status) for one in events]


def error_of(received: Received) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(received.body)["error"]
    return found


def gateway_headers(received: Received) -> tuple[str, str, str]:
    headers = received.headers
    return headers["x-gateway-provider"], headers["x-gateway-model"], headers["x-gateway-attempts"]
