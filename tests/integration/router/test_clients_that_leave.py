"""A client that leaves is still metered, by either setting of ABANDONED_STREAM; a router that stops tells who waits."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway_router.limits import CallLimits
from gateway_shared.usage_event import TokenCounts
from tests.integration.router.router_rig import RouterRig, Simulator, open_rig, providers_at, until
from tests.integration.router.test_calls import EVERY_PROVIDER, asking, data_of, one_event
from tests.recordings import Received
from tests.servers import Certificates

LEFT_WITHIN_S = 3 * 1.0
"""Three times the stated bound."""


@pytest.fixture
async def draining_router(certificates: Certificates, tmp_path: Path, simulator: Simulator) -> AsyncIterator[RouterRig]:
    limits = CallLimits(call_s=20, first_byte_s=10, silence_s=10, drains_abandoned=True)
    async with open_rig(certificates, tmp_path, providers_at(simulator.url), limits) as rig:
        yield rig


async def leave_after_first_bytes(router: RouterRig, body: dict[str, Any]) -> None:
    async with router.opened(body) as response:
        async for _ in response.chunks():
            return


async def leave_once_asked(router: RouterRig, simulator: Simulator, body: dict[str, Any]) -> None:
    """The provider has the request, and has answered nothing."""

    async def is_asked() -> bool:
        return bool((await simulator.stats())["received"] == 1)

    call = asyncio.create_task(router.call(body))
    await until(is_asked)
    call.cancel()
    await asyncio.wait({call})
    assert call.cancelled()


@EVERY_PROVIDER
async def test_the_provider_s_stream_is_closed_within_a_second(
    provider: str, router: RouterRig, simulator: Simulator
) -> None:
    await leave_after_first_bytes(router, asking(provider, "one two [[sim words=500 delay_ms=10]]", stream=True))
    await until(lambda: bool(router.settled()), timeout_s=LEFT_WITHIN_S)

    async def provider_saw_it() -> bool:
        return bool((await simulator.stats())["client_gone"] == 1)

    await until(provider_saw_it, timeout_s=LEFT_WITHIN_S)
    event = one_event(router)
    assert (event.status, event.finish_state, event.usage_source) == ("partial", "client_disconnect", "estimated")
    assert event.tokens.input_tokens > 0
    assert 0 < event.tokens.output_tokens < 200


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_before_the_answer_is_metered(
    stream: bool, router: RouterRig, simulator: Simulator
) -> None:
    await leave_once_asked(router, simulator, asking("openai", "one two three four [[sim hang]]", stream=stream))
    await until(lambda: bool(router.settled()), timeout_s=LEFT_WITHIN_S)
    event = one_event(router)
    assert (event.status, event.finish_state, event.usage_source) == ("partial", "client_disconnect", "estimated")
    assert (event.tokens.output_tokens, event.http_status) == (0, 0)
    assert not router.calls.open_calls


async def test_a_call_that_was_left_before_it_was_sent_costs_nothing(
    certificates: Certificates, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connected by the kernel; the TLS handshake never ends
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        async with open_rig(certificates, tmp_path, providers_at(url)) as router:

            async def impatient() -> None:
                async with asyncio.timeout(0.3):
                    await router.call(asking("openai", "one two three", stream=True))

            with pytest.raises(TimeoutError):
                await impatient()
            await until(lambda: bool(router.settled()), timeout_s=LEFT_WITHIN_S)
            event = one_event(router)
    assert (event.status, event.finish_state, event.usage_source) == ("failed", "client_disconnect", "none")
    assert event.tokens == TokenCounts()


@EVERY_PROVIDER
async def test_a_drained_stream_gives_the_provider_s_own_figure(
    provider: str, draining_router: RouterRig, simulator: Simulator
) -> None:
    router = draining_router
    await leave_after_first_bytes(router, asking(provider, "one [[sim input=2 words=60 delay_ms=5]]", stream=True))
    await until(lambda: bool(router.settled()))
    event = one_event(router)
    assert (event.status, event.finish_state, event.usage_source) == ("partial", "client_disconnect", "drained")
    assert (event.tokens.input_tokens, event.tokens.output_tokens) == (2, 60)
    assert (await simulator.stats())["completed"] == 1


async def test_a_drained_plain_answer_gives_the_provider_s_own_figure(
    draining_router: RouterRig, simulator: Simulator
) -> None:
    await leave_once_asked(draining_router, simulator, asking("openai", "one [[sim input=2 words=6 ttft_ms=500]]"))
    await until(lambda: bool(draining_router.settled()))
    event = one_event(draining_router)
    assert (event.status, event.usage_source, event.tokens.output_tokens) == ("partial", "drained", 6)


async def test_draining_stops_at_its_limit_of_tokens(
    draining_router: RouterRig, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_router.exchange.ABANDONED_DRAIN_TOKENS", 20)
    await leave_after_first_bytes(draining_router, asking("openai", "one [[sim words=5000 delay_ms=2]]", stream=True))
    await until(lambda: bool(draining_router.settled()))
    event = one_event(draining_router)
    assert (event.status, event.finish_state, event.usage_source) == ("partial", "client_disconnect", "estimated")
    assert 20 < event.tokens.output_tokens < 500


async def test_draining_stops_at_its_limit_of_time(draining_router: RouterRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_router.chat_call.ABANDONED_DRAIN_S", 0.2)
    await leave_after_first_bytes(draining_router, asking("openai", "one [[sim words=9 stall_after=3]]", stream=True))
    await until(lambda: bool(draining_router.settled()), timeout_s=5)
    assert one_event(draining_router).usage_source == "estimated"


@EVERY_PROVIDER
async def test_a_client_that_stays_gets_everything_while_draining_is_set(
    provider: str, draining_router: RouterRig
) -> None:
    received = await draining_router.call(asking(provider, "one [[sim words=6]]", stream=True))
    assert data_of(received)[-1] == "[DONE]"
    assert one_event(draining_router).usage_source == "provider"


@pytest.mark.parametrize("drains", [False, True])
async def test_what_is_open_when_the_drain_ends_gets_an_error_event_and_a_partial_row(
    drains: bool, certificates: Certificates, tmp_path: Path, simulator: Simulator
) -> None:
    limits = CallLimits(drains_abandoned=drains)
    async with open_rig(certificates, tmp_path, providers_at(simulator.url), limits) as router:
        stalled = asyncio.create_task(router.call(asking("openai", "one [[sim words=9 stall_after=3]]", stream=True)))
        hanging = asyncio.create_task(router.call(asking("anthropic", "one [[sim hang]]")))

        async def words_came() -> bool:
            asked = await simulator.requests()
            return len(asked) == 2 and sum(request["content_events_sent"] for request in asked) == 3

        await until(words_came)
        await router.calls.finish(0.1)
        received: list[Received] = [await stalled, await hanging]
        assert data_of(received[0])[-1]["error"]["code"] == "overloaded"
        assert (received[1].status, json.loads(received[1].body)["error"]["code"]) == (503, "overloaded")
        assert [event.status for event in router.settled()] == ["partial", "partial"]


async def test_a_drain_waits_for_streams_that_end_in_time(router: RouterRig) -> None:
    call = asyncio.create_task(router.call(asking("openai", "one [[sim words=20 delay_ms=10]]", stream=True)))
    await until(lambda: router.calls.open_calls == 1)
    await router.calls.finish(10)
    assert data_of(await call)[-1] == "[DONE]"
    assert one_event(router).status == "settled"
