"""Breakers, the retry budget, and what ends the wait between two attempts; counted at the simulator."""

import asyncio

import pytest

from gateway_router.breaker import BreakerPolicy
from gateway_router.configuration import Configuration
from gateway_router.limits import CallLimits
from gateway_router.provider_health import ProviderHealth
from gateway_router.resilience import Resilience
from gateway_router.retry_budget import RetryBudget
from tests.integration.router.attempts_rig import (
    POLICY,
    OpenRig,
    Scripted,
    ask,
    at,
    attempts,
    error_of,
    gateway_headers,
)
from tests.integration.router.router_rig import until


async def test_a_breaker_opens_refuses_and_closes_again(rig: OpenRig, provider: Scripted) -> None:
    await provider.script(("one", "status=500", 4))
    async with rig(at(provider.simulator.url, "a", "one"), max_attempts=1) as router:
        assert [(await ask(router)).status for _ in range(4)] == [500] * 4
        refused = await ask(router)
        assert (refused.status, error_of(refused)["code"], refused.headers["retry-after"]) == (503, "circuit_open", "1")
        assert len(await provider.asked()) == 4
        assert len(router.settled()) == 4, "what asked no provider is no event"

        async def serves() -> bool:
            return bool((await ask(router)).status == 200)

        await until(serves, timeout_s=3)
        assert (await ask(router)).status == 200


async def test_behind_an_open_breaker_another_is_asked_first(rig: OpenRig, provider: Scripted) -> None:
    await provider.script(("one", "status=500", None))
    url = provider.simulator.url
    async with rig(at(url, "a", "one"), at(url, "b", "two", priority=1)) as router:
        assert [gateway_headers(await ask(router))[2] for _ in range(6)] == ["2", "2", "2", "2", "1", "1"]
        assert (await provider.asked()).count("one") == 4


async def test_retries_stay_within_their_budget(rig: OpenRig, provider: Scripted) -> None:
    await provider.script(("one", "status=500", None))
    never_open = ProviderHealth(BreakerPolicy(min_failures=1_000))
    shared = Resilience(POLICY, never_open, RetryBudget(share=0.1, reserve=2, per_s=0))
    async with rig(at(provider.simulator.url, "a", "one"), shared=shared) as router:
        for _ in range(9):
            await ask(router)
        # two in reserve, and the tenth of a retry that each call brings
        assert len(await provider.asked()) in (11, 12)


@pytest.mark.parametrize("drains", [False, True])
async def test_a_client_that_leaves_while_we_wait_leaves_one_event_and_nothing_more_is_asked(
    drains: bool, rig: OpenRig, provider: Scripted
) -> None:
    await provider.script(("one", "status=503 retry_after=0.5", None))
    limits = CallLimits(call_s=20, drains_abandoned=drains)
    async with rig(at(provider.simulator.url, "a", "one"), limits=limits) as router:
        call = asyncio.create_task(ask(router))

        async def was_asked() -> bool:
            return len(await provider.asked()) == 1 and len(router.records()) == 2

        await until(was_asked)
        call.cancel()
        await until(lambda: not router.calls.open_calls, timeout_s=0.4)
        assert attempts(router) == [("a", 1, True, "failed", 503)]
        await asyncio.sleep(0.6)  # past the moment at which it would have been asked again
        assert await provider.asked() == ["one"]


async def test_a_shutdown_while_we_wait_gives_the_client_the_failure(rig: OpenRig, provider: Scripted) -> None:
    await provider.script(("one", "status=503 retry_after=1", None))
    async with rig(at(provider.simulator.url, "a", "one")) as router:
        call = asyncio.create_task(ask(router))
        await until(lambda: len(router.records()) == 2)
        await router.calls.finish(0)
        assert (await call).status == 503
        assert attempts(router) == [("a", 1, True, "failed", 503)]


async def test_a_call_keeps_the_providers_it_began_with(rig: OpenRig, provider: Scripted) -> None:
    """RELIABILITY, F15: key and address changed in flight."""
    await provider.script(("one", "status=503 retry_after=0.3", 1))
    url = provider.simulator.url
    async with rig(at(url, "a", "one")) as router:
        call = asyncio.create_task(ask(router))
        await until(lambda: len(router.records()) == 2)
        changed = at(url, "a", "other", version=2)
        router.calls.directory.current = Configuration(2, (changed,))  # type: ignore[misc]
        assert (await call).status == 200
        assert (await ask(router)).status == 200
        assert await provider.asked() == ["one", "one", "other"]


async def test_an_unreachable_provider_was_sent_nothing_and_the_next_is_asked(rig: OpenRig, provider: Scripted) -> None:
    gone = at("http://127.0.0.1:9", "gone", "one")
    async with rig(gone, at(provider.simulator.url, "b", "two", priority=1)) as router:
        received = await ask(router)
        assert (received.status, gateway_headers(received)[::2]) == (200, ("b", "2"))
        first, _ = router.settled()
        assert (first.status, first.finish_state, first.usage_source) == ("failed", "not_sent", "none")
        assert await provider.asked() == ["two"]


async def test_the_intent_of_the_next_attempt_is_written_before_the_earlier_one_is_called_not_final(
    rig: OpenRig, provider: Scripted
) -> None:
    await provider.script(("one", "status=500", 1))
    async with rig(at(provider.simulator.url, "a", "one")) as router:
        await ask(router)
        found = [(kind.name, event.attempt, event.is_final) for kind, event in router.records()]
    assert found == [
        ("INTENT", 1, True),
        ("CHECKPOINT", 1, True),
        ("INTENT", 2, True),
        ("SETTLE", 1, False),
        ("SETTLE", 2, True),
    ]


async def test_limits_of_a_registration_send_calls_elsewhere_or_away(rig: OpenRig, provider: Scripted) -> None:
    url = provider.simulator.url
    limited = at(url, "a", "one", max_open_calls=1)
    await provider.script(("one", "hang", 1))
    async with rig(limited, at(url, "b", "two", priority=1, requests_per_minute=2)) as router:
        hanging = asyncio.create_task(ask(router))

        async def is_open() -> bool:
            return await provider.asked() == ["one"]

        await until(is_open)
        statuses = [(await ask(router)).status for _ in range(3)]
        refused = await ask(router)
        hanging.cancel()
        await until(lambda: not router.calls.open_calls)
        assert statuses == [200, 200, 503]
        assert (error_of(refused)["code"], refused.headers["retry-after"]) == ("overloaded", "1")
        assert await provider.asked() == ["one", "two", "two"]
        assert (await ask(router)).status == 200


async def test_what_fails_for_a_client_that_has_left_is_not_tried_again(rig: OpenRig, provider: Scripted) -> None:
    await provider.script(("one", "headers_ms=300 status=503", None))
    limits = CallLimits(call_s=20, drains_abandoned=True)
    other = at(provider.simulator.url, "b", "two", priority=1)
    async with rig(at(provider.simulator.url, "a", "one"), other, limits=limits) as router:
        call = asyncio.create_task(ask(router))

        async def was_asked() -> bool:
            return len(await provider.asked()) == 1

        await until(was_asked)
        call.cancel()
        await until(lambda: bool(router.settled()))
        await until(lambda: not router.calls.open_calls)
        assert attempts(router) == [("a", 1, True, "failed", 503)]
        assert await provider.asked() == ["one"]
