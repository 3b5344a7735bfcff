"""A stream whose provider thinks for long: comments meanwhile, and what comes of it afterwards."""

from pathlib import Path

import pytest

from gateway_router.limits import CallLimits
from gateway_shared.sse import KEEP_ALIVE
from tests.integration.router.attempts_rig import OpenRig, Scripted, ask, at, attempts
from tests.integration.router.router_rig import Simulator, open_rig, providers_at
from tests.integration.router.test_calls import EVERY_PROVIDER, asking, data_of, one_event, text_of
from tests.servers import Certificates

LIMITS = CallLimits(call_s=20, first_byte_s=10, silence_s=10, keep_alive_s=0.05)


@EVERY_PROVIDER
@pytest.mark.parametrize("silence", ["headers_ms=300", "ttft_ms=300"])
async def test_the_answer_begins_with_comments(
    provider: str, silence: str, certificates: Certificates, tmp_path: Path, simulator: Simulator
) -> None:
    async with open_rig(certificates, tmp_path, providers_at(simulator.url), LIMITS) as router:
        received = await router.call(asking(provider, f"one [[sim text='a b c' {silence}]]", stream=True))
        assert received.status == 200
        assert received.headers["content-type"].startswith("text/event-stream")
        assert received.body.startswith(KEEP_ALIVE * 2)
        *chunks, done = data_of(received)
        assert (text_of(chunks), done) == ("a b c", "[DONE]")
        event = one_event(router)
        assert event.status == "settled"
        assert (event.time_to_first_token_us or 0) >= 250_000, "a comment is no token"


@EVERY_PROVIDER
async def test_comments_stand_between_events(
    provider: str, certificates: Certificates, tmp_path: Path, simulator: Simulator
) -> None:
    async with open_rig(certificates, tmp_path, providers_at(simulator.url), LIMITS) as router:
        received = await router.call(asking(provider, "one [[sim text='a b c' delay_ms=200]]", stream=True))
        events = received.body.split(b"\n\n")
        assert all(event.startswith((b"data: ", b": ")) for event in events if event)
        assert KEEP_ALIVE.strip() in events
        *chunks, done = data_of(received)
        assert (text_of(chunks), done) == ("a b c", "[DONE]")
        assert one_event(router).status == "settled"


@pytest.mark.parametrize("keep_alive_s", [0, 15.0])
async def test_no_comments_where_they_are_off_or_not_due(
    keep_alive_s: float, certificates: Certificates, tmp_path: Path, simulator: Simulator
) -> None:
    limits = CallLimits(call_s=20, first_byte_s=10, silence_s=10, keep_alive_s=keep_alive_s)
    async with open_rig(certificates, tmp_path, providers_at(simulator.url), limits) as router:
        received = await router.call(asking("openai", "one [[sim words=3 ttft_ms=200]]", stream=True))
        assert KEEP_ALIVE not in received.body


async def test_a_plain_call_gets_none(certificates: Certificates, tmp_path: Path, simulator: Simulator) -> None:
    async with open_rig(certificates, tmp_path, providers_at(simulator.url), LIMITS) as router:
        received = await router.call(asking("openai", "one [[sim words=3 headers_ms=200 status=404]]"))
        assert received.status == 404
        assert received.body.startswith(b"{")


async def test_after_a_comment_a_failure_is_an_error_event(
    certificates: Certificates, tmp_path: Path, simulator: Simulator
) -> None:
    async with open_rig(certificates, tmp_path, providers_at(simulator.url), LIMITS) as router:
        received = await router.call(
            asking("openai", "one [[sim headers_ms=200 status=400 message=no code=bad]]", stream=True)
        )
        assert received.status == 200
        [last] = data_of(received)
        assert (last["error"]["message"], last["error"]["code"]) == ("no", "bad")
        assert b"[DONE]" not in received.body
        event = one_event(router)
        assert (event.status, event.finish_state, event.http_status) == ("failed", "upstream_error", 400)


async def test_comments_do_not_keep_another_attempt_from_answering(rig: OpenRig, provider: Scripted) -> None:
    await provider.script(("one", "headers_ms=200 status=503", 1), ("one", "headers_ms=200", None))
    async with rig(at(provider.simulator.url, "a", "one"), limits=LIMITS) as router:
        received = await ask(router, stream=True)
        assert received.status == 200
        assert received.body.startswith(KEEP_ALIVE)
        *chunks, done = data_of(received)
        assert len(text_of(chunks).split()) == 3
        assert done == "[DONE]"
        assert attempts(router) == [("a", 1, False, "failed", 503), ("a", 2, True, "settled", 200)]
