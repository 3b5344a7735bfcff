"""A breaker as an operator sees it, in `GET /v1/providers` and in the metrics, from its opening to its closing."""

from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from gateway_router.breaker import BreakerPolicy
from gateway_router.provider_health import ProviderHealth
from gateway_router.resilience import Resilience
from gateway_router.retry_policy import RetryPolicy
from gateway_shared.operations import Operations
from tests.integration.provider_store.api_rig import ApiRig, environment_at, open_api_rig
from tests.integration.router.attempts_rig import Scripted
from tests.integration.router.router_rig import Json, open_simulator
from tests.servers import Certificates, Postgres

OPEN_S = 10.0
FAILURES = 4


@dataclass
class Clock:
    now_s: float = 1_000.0

    def __call__(self) -> float:
        return self.now_s


async def test_an_open_breaker_is_seen_until_a_call_has_closed_it(
    certificates: Certificates, database: Postgres, tmp_path: Path
) -> None:
    clock = Clock()
    health = ProviderHealth(BreakerPolicy(min_failures=FAILURES, open_s=OPEN_S))
    shared = Resilience(RetryPolicy(max_attempts=1), health, clock_s=clock)
    async with (
        open_simulator() as simulator,
        open_api_rig(certificates, database, tmp_path, environment_at(simulator.url), resilience=shared) as api,
    ):
        await _add(api, simulator.url, "breaks")
        await _add(api, simulator.url, "sound")
        assert await _seen(api) == {"openai": "closed", "breaks": "closed", "sound": "closed"}
        await Scripted(simulator).script(("gpt-4o", "status=500", FAILURES))
        assert [(await api.chat("breaks/gpt-4o")).status for _ in range(FAILURES)] == [500] * FAILURES

        assert await _seen(api) == {"openai": "closed", "breaks": "open", "sound": "closed"}
        assert await _models(api) == [{"model": "gpt-4o", "state": "open", "retry_in_s": OPEN_S}]
        assert _metrics() == (1, 1)
        refused = await api.chat("breaks/gpt-4o")
        assert (refused.status, refused.error["code"], refused.headers["retry-after"]) == (503, "circuit_open", "10")
        assert (await api.chat("sound/gpt-4o")).status == 200

        clock.now_s += OPEN_S
        assert await _seen(api) == {"openai": "closed", "breaks": "half_open", "sound": "closed"}
        assert await _models(api) == [{"model": "gpt-4o", "state": "half_open", "retry_in_s": 0.0}]
        assert _metrics() == (1, 1), "what waits to be tried is not closed"

        assert (await api.chat("breaks/gpt-4o")).status == 200
        assert await _seen(api) == {"openai": "closed", "breaks": "closed", "sound": "closed"}
        assert _metrics() == (0, 1)


async def _add(api: ApiRig, simulator_url: str, name: str) -> None:
    body = {"name": name, "kind": "openai-compatible", "base_url": f"{simulator_url}/openai/v1", "models": ["gpt-4o"]}
    added = await api.ask("add", body={**body, "api_key": "sk-secret-0123456789wxyz"})
    assert added.status == 201, added.text


async def _seen(api: ApiRig) -> dict[str, str]:
    """The state of each provider in the list."""
    return {one["name"]: one["health"]["state"] for one in (await api.ask("list")).json["data"]}


async def _models(api: ApiRig) -> list[Json]:
    found: list[Json] = (await api.ask("show", "breaks")).json["health"]["models"]
    return found


def _metrics() -> tuple[float, float]:
    """Of the provider, as `/metrics` has them: breakers that are open now, and how many have opened."""
    exposition = Operations("router", "1", {}).exposition().decode()
    samples = {
        sample.name: sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
        if sample.labels.get("provider") == "breaks"
    }
    return samples["gateway_router_breakers_open"], samples["gateway_router_breaker_opened_total"]
