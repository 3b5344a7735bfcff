"""Which attempts a call makes, what its client and the ledger are told of them; counted at the simulator."""

import time
from dataclasses import replace

import pytest

from gateway_router.chat_call import Call
from gateway_router.exchange import Exchange
from gateway_router.limits import CallLimits
from gateway_router.routing import Route
from tests.integration.router.attempts_rig import (
    OpenRig,
    Scripted,
    ask,
    at,
    attempts,
    error_of,
    gateway_headers,
)
from tests.integration.router.test_calls import PLAIN_OR_STREAM, data_of, text_of


@PLAIN_OR_STREAM
@pytest.mark.parametrize("fault", ["status=500", "status=503", "status=529", "status=408", "status=429", "drop"])
async def test_what_may_pass_is_tried_again_and_each_attempt_is_an_event(
    fault: str, stream: bool, rig: OpenRig, provider: Scripted
) -> None:
    await provider.script(("one", fault, 2))
    async with rig(at(provider.simulator.url, "a", "one")) as router:
        received = await ask(router, stream=stream)
        assert received.status == 200
        assert received.headers["x-gateway-attempts"] == "3"
        assert await provider.asked() == ["one"] * 3
        status = int(fault.removeprefix("status=")) if fault != "drop" else 0
        assert attempts(router) == [
            ("a", 1, False, "failed", status),
            ("a", 2, False, "failed", status),
            ("a", 3, True, "settled", 200),
        ]
        assert len({event.request_id for event in router.settled()}) == 1


@pytest.mark.parametrize("fault", ["status=400", "status=404", "status=413", "status=422", "malformed_after=0"])
async def test_what_is_the_client_s_fault_or_was_answered_is_never_tried_again(
    fault: str, rig: OpenRig, provider: Scripted
) -> None:
    await provider.script(("one", fault, None))
    fallback = at(provider.simulator.url, "b", "two", priority=1)
    async with rig(at(provider.simulator.url, "a", "one"), fallback) as router:
        received = await ask(router)
        assert received.status >= 400
        assert await provider.asked() == ["one"]
        assert [(event.attempt, event.is_final) for event in router.settled()] == [(1, True)]


@pytest.mark.parametrize("fault", ["cut_after=2", "cut_after=2 cut=close", "error_after=2", "malformed_after=2"])
async def test_nothing_is_tried_again_once_something_was_relayed(fault: str, rig: OpenRig, provider: Scripted) -> None:
    await provider.script(("one", f"words=8 {fault}", None))
    fallback = at(provider.simulator.url, "b", "two", priority=1)
    async with rig(at(provider.simulator.url, "a", "one"), fallback) as router:
        received = await ask(router, stream=True, text="hello")
        assert received.status == 200
        *chunks, last = data_of(received)
        assert "error" in last
        assert len(text_of(chunks).split()) == 2
        assert await provider.asked() == ["one"]
        assert gateway_headers(received)[2] == "1"
        [event] = router.settled()
        assert (event.status, event.is_final) == ("partial", True)


async def test_the_last_failure_is_the_client_s_answer(rig: OpenRig, provider: Scripted) -> None:
    await provider.script(("one", "status=500", 1), ("one", "status=503 retry_after=0", None))
    async with rig(at(provider.simulator.url, "a", "one")) as router:
        received = await ask(router)
        assert (received.status, received.headers["x-gateway-attempts"]) == (503, "3")
        assert await provider.asked() == ["one"] * 3
        assert [event.is_final for event in router.settled()] == [False, False, True]


@PLAIN_OR_STREAM
async def test_another_registration_is_asked_at_once_in_its_own_dialect(
    stream: bool, rig: OpenRig, provider: Scripted
) -> None:
    await provider.script(("one", "status=500", None))
    url = provider.simulator.url
    other = at(url, "b", "claude-sonnet-4-5", kind="anthropic", priority=1)
    async with rig(at(url, "a", "one"), other) as router:
        received = await ask(router, stream=stream)
        assert received.status == 200
        assert gateway_headers(received)[::2] == ("b", "2")
        assert gateway_headers(received)[1].startswith("claude-sonnet-4-5")
        assert await provider.asked() == ["one", "claude-sonnet-4-5"]
        assert attempts(router) == [("a", 1, False, "failed", 500), ("b", 2, True, "settled", 200)]


async def test_a_fallback_model_comes_after_one_retry(rig: OpenRig, provider: Scripted) -> None:
    await provider.script(("one", "status=502", None))
    url = provider.simulator.url
    other = replace(at(url, "b", "two"), models=("n",), aliases={})
    async with rig(at(url, "a", "one"), other, fallbacks={"m": ("n",)}) as router:
        received = await ask(router)
        assert (received.status, gateway_headers(received)[2]) == (200, "3")
        assert await provider.asked() == ["one", "one", "n"]
        assert [event.model_requested for event in router.settled()] == ["m"] * 3
        assert [event.model_upstream for event in router.settled()] == ["one", "one", "n"]


async def test_retry_after_is_waited_for_when_short(rig: OpenRig, provider: Scripted) -> None:
    await provider.script(("one", "status=429 retry_after=0.3", 1))
    async with rig(at(provider.simulator.url, "a", "one")) as router:
        started_s = time.monotonic()
        received = await ask(router)
        assert received.status == 200
        assert time.monotonic() - started_s >= 0.3
        assert router.settled()[0].duration_us < 250_000, "the wait is no attempt's time"


async def test_retry_after_is_passed_on_when_long(rig: OpenRig, provider: Scripted) -> None:
    await provider.script(("one", "status=429 retry_after=7", None))
    async with rig(at(provider.simulator.url, "a", "one")) as router:
        received = await ask(router)
        assert (received.status, received.headers["retry-after"]) == (429, "7")
        assert await provider.asked() == ["one"]


@pytest.mark.parametrize("status", [401, 402, 403, 429])
async def test_another_key_is_used_and_the_first_one_rests(status: int, rig: OpenRig, provider: Scripted) -> None:
    await provider.script(("one", f"status={status}", 1))
    async with rig(at(provider.simulator.url, "a", "one", keys=2)) as router:
        assert (await ask(router)).status == 200
        assert (await ask(router)).status == 200
        assert await provider.asked() == ["one"] * 3
        assert attempts(router) == [
            ("a", 1, False, "failed", status),
            ("a", 2, True, "settled", 200),
            ("a", 1, True, "settled", 200),
        ]


async def test_a_provider_that_refuses_every_key_is_502_and_no_key_is_shown(rig: OpenRig, provider: Scripted) -> None:
    await provider.script(("one", 'status=401 message="Incorrect API key sk-a-0"', None))
    async with rig(at(provider.simulator.url, "a", "one", keys=2)) as router:
        received = await ask(router)
        assert (received.status, error_of(received)["code"]) == (502, "provider_auth_failed")
        assert b"sk-a" not in received.body
        assert received.headers["x-should-retry"] == "false"
        assert await provider.asked() == ["one"] * 2


async def test_silence_before_the_first_byte_leads_to_another_registration_only(
    rig: OpenRig, provider: Scripted
) -> None:
    await provider.script(("one", "hang", None))
    url, limits = provider.simulator.url, CallLimits(call_s=5, first_byte_s=5, silence_s=5)
    slow = at(url, "a", "one", first_byte_timeout_s=0.2)
    async with rig(slow, at(url, "b", "two", priority=1), limits=limits) as router:
        received = await ask(router, stream=True)
        assert (received.status, gateway_headers(received)[::2]) == (200, ("b", "2"))
        assert [(event.status, event.finish_state) for event in router.settled()] == [
            ("partial", "timeout"),
            ("settled", "complete"),
        ]


async def test_the_whole_call_s_time_covers_all_attempts(rig: OpenRig, provider: Scripted) -> None:
    await provider.script(("one", "hang", None))
    slow = at(provider.simulator.url, "a", "one", call_timeout_s=0.4)
    async with rig(slow, at(provider.simulator.url, "b", "two", priority=1)) as router:
        received = await ask(router)
        assert (received.status, error_of(received)["code"]) == (504, "timeout")
        assert await provider.asked() == ["one"]


async def test_where_the_next_cannot_say_what_was_asked_the_failure_stands(rig: OpenRig, provider: Scripted) -> None:
    await provider.script(("one", "status=500", None))
    url = provider.simulator.url
    other = at(url, "b", "claude-sonnet-4-5", kind="anthropic", priority=1)
    async with rig(at(url, "a", "one"), other) as router:
        asked = {"model": "m", "messages": [{"role": "user", "content": "one"}], "logit_bias": {"1": 2}}
        received = await router.call(asked)
        assert (received.status, gateway_headers(received)[::2]) == (500, ("a", "1"))
        assert attempts(router) == [("a", 1, True, "failed", 500)]


async def test_a_fault_of_ours_between_two_attempts_leaves_one_event_as_well(
    rig: OpenRig, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    await provider.script(("one", "status=500", None))
    url = provider.simulator.url
    async with rig(at(url, "a", "one"), at(url, "b", "two", priority=1)) as router:

        def broken(_self: Call, route: Route) -> Exchange:
            if route.upstream_model == "two":
                raise KeyError(route.upstream_model)
            return exchange(_self, route)

        exchange = Call._exchange
        monkeypatch.setattr(Call, "_exchange", broken)
        received = await ask(router)
        assert (received.status, error_of(received)["code"]) == (500, "server_error")
        assert attempts(router) == [("a", 1, True, "failed", 500)]
        assert not router.calls.open_calls
