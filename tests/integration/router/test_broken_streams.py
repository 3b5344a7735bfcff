"""What a client and the ledger are told when a provider breaks off (RELIABILITY: F10)."""

import json
from pathlib import Path

import pytest

from gateway_router.journal.frame import FrameKind
from gateway_router.limits import CallLimits
from tests.integration.router.router_rig import RouterRig, Simulator, open_rig, providers_at
from tests.integration.router.test_calls import EVERY_PROVIDER, asking, data_of, one_event, text_of
from tests.servers import Certificates


@EVERY_PROVIDER
@pytest.mark.parametrize(
    "fault",
    [
        "cut_after=4",
        "cut_after=4 cut=close",
        "cut_after=4 cut=end",
        "malformed_after=4",
        "error_after=4",
        "no_finish",
    ],
)
async def test_a_stream_that_breaks_off_ends_with_an_error_event_and_a_partial_row(
    provider: str, fault: str, router: RouterRig
) -> None:
    received = await router.call(asking(provider, f"one two [[sim words=8 {fault}]]", stream=True))
    assert received.status == 200
    *chunks, last = data_of(received)
    assert set(last["error"]) == {"message", "type", "param", "code"}
    assert "[DONE]" not in chunks
    assert len(text_of(chunks).split()) == (8 if fault == "no_finish" else 4)
    assert not any(choice["finish_reason"] for chunk in chunks for choice in chunk["choices"])
    event = one_event(router)
    assert event.status == "partial"
    assert event.finish_state in ("upstream_cut", "upstream_error")
    assert event.usage_source == "estimated"
    assert event.tokens.output_tokens >= 4


@EVERY_PROVIDER
@pytest.mark.parametrize("fault", ["cut_after=0", "malformed_after=0", "error_after=0", "drop", "cut_after=0 cut=end"])
async def test_a_stream_that_breaks_before_its_first_token_is_an_error_or_a_short_stream(
    provider: str, fault: str, router: RouterRig
) -> None:
    received = await router.call(asking(provider, f"one two [[sim words=8 {fault}]]", stream=True))
    if received.status == 200:  # the role had been sent already
        *chunks, last = data_of(received)
        assert "error" in last
        assert text_of(chunks) == ""
    else:
        assert received.status >= 500
        assert "error" in json.loads(received.body)
    assert one_event(router).status in ("failed", "partial")


@EVERY_PROVIDER
async def test_a_plain_answer_that_is_cut_is_502(provider: str, router: RouterRig) -> None:
    received = await router.call(asking(provider, "one [[sim words=8 cut_after=3 cut=close]]"))
    assert (received.status, json.loads(received.body)["error"]["code"]) == (502, "upstream_error")
    event = one_event(router)
    assert (event.status, event.finish_state, event.usage_source) == ("failed", "upstream_cut", "unknown")


@EVERY_PROVIDER
async def test_a_plain_answer_that_is_no_json_is_502(provider: str, router: RouterRig) -> None:
    received = await router.call(asking(provider, "one [[sim words=8 malformed_after=0]]"))
    assert (received.status, json.loads(received.body)["error"]["code"]) == (502, "upstream_error")
    assert one_event(router).finish_state == "upstream_error"


@pytest.mark.parametrize("provider", ["openai", "meta"])
async def test_a_finished_stream_without_done_gets_its_done(provider: str, router: RouterRig) -> None:
    received = await router.call(asking(provider, "one [[sim words=3 no_done]]", stream=True))
    assert data_of(received)[-1] == "[DONE]"
    assert one_event(router).status == "settled"


@EVERY_PROVIDER
async def test_bytes_that_are_parted_anywhere_are_the_same_stream(provider: str, router: RouterRig) -> None:
    whole = await router.call(asking(provider, "one [[sim words=6 input=1 text='ä ö ü € 🎉 x']]", stream=True))
    parted = await router.call(asking(provider, "one [[sim words=6 input=1 text='ä ö ü € 🎉 x' split=3]]", stream=True))
    assert text_of(data_of(parted)) == text_of(data_of(whole)) == "ä ö ü € 🎉 x"


@EVERY_PROVIDER
@pytest.mark.parametrize("words", ["hang", "words=5 stall_after=0", "words=5 stall_after=2"])
async def test_silence_ends_in_a_timeout(
    provider: str, words: str, certificates: Certificates, tmp_path: Path, simulator: Simulator
) -> None:
    limits = CallLimits(call_s=10, first_byte_s=0.3, silence_s=0.3)
    async with open_rig(certificates, tmp_path, providers_at(simulator.url), limits) as router:
        received = await router.call(asking(provider, f"one two three four [[sim {words}]]", stream=True))
        error = json.loads(received.body)["error"] if received.status != 200 else data_of(received)[-1]["error"]
        assert error["code"] == "timeout"
        assert received.status in (200, 504)
        event = one_event(router)
        assert (event.status, event.finish_state, event.usage_source) == ("partial", "timeout", "estimated")
        assert event.tokens.input_tokens > 0


async def test_a_plain_call_has_the_whole_call_s_time(
    certificates: Certificates, tmp_path: Path, simulator: Simulator
) -> None:
    limits = CallLimits(call_s=2, first_byte_s=0.1, silence_s=0.1)
    async with open_rig(certificates, tmp_path, providers_at(simulator.url), limits) as router:
        assert (await router.call(asking("openai", "one [[sim ttft_ms=300]]"))).status == 200
        assert (await router.call(asking("openai", "one [[sim ttft_ms=30000]]"))).status == 504
        assert [event.status for event in router.settled()] == ["settled", "partial"]


async def test_a_long_stream_leaves_checkpoints(router: RouterRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_router.exchange.CHECKPOINT_EVERY_S", 0.05)
    await router.call(asking("openai", "one [[sim words=20 delay_ms=15]]", stream=True))
    kinds = [kind for kind, _ in router.records()]
    checkpoints = [event for kind, event in router.records() if kind is FrameKind.CHECKPOINT]
    assert kinds[0] is FrameKind.INTENT
    assert kinds[-1] is FrameKind.SETTLE
    assert len(checkpoints) >= 2
    assert {event.status for event in checkpoints} == {"partial"}
    assert checkpoints[0].usage_source == "estimated"
    counts = [event.tokens.output_tokens for event in checkpoints if event.usage_source == "estimated"]
    assert counts == sorted(counts)
    assert counts[-1] > counts[0] > 0
