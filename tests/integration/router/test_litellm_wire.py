"""The long tail: a provider that is called through `litellm.acompletion`, here at the simulator's OpenAI wire."""

import gc
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from litellm.types.utils import ModelResponseStream

from gateway_router.configuration import Provider
from gateway_router.limits import CallLimits
from gateway_shared.hop_stream import WINDOW_BYTES
from gateway_shared.settings import Secret
from tests.integration.router.router_rig import RouterRig, Simulator, open_rig, until
from tests.integration.router.test_calls import PLAIN_OR_STREAM, TOOL, data_of, one_event, text_of
from tests.integration.router.test_clients_that_leave import LEFT_WITHIN_S, leave_after_first_bytes
from tests.servers import Certificates

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


NAMES = ["groq", "deepseek", "openai"]
LIMITS = CallLimits(call_s=60, first_byte_s=30, silence_s=30)
"""Long beside what a call takes where LiteLLM is first imported, on a busy machine: no test here is about them."""


def tail(name: str, url: str) -> dict[str, Provider]:
    """A provider at `url` that LiteLLM calls as `name`."""
    return {"tail": Provider("tail", "litellm", url, Secret("sk-test-key"), "tail", "tail", name)}


@pytest.fixture(params=NAMES)
async def router(
    request: pytest.FixtureRequest, certificates: Certificates, tmp_path: Path, simulator: Simulator
) -> AsyncIterator[RouterRig]:
    async with open_rig(certificates, tmp_path, tail(request.param, f"{simulator.url}/openai/v1"), LIMITS) as rig:
        yield rig


def asking(text: str, **more: object) -> dict[str, object]:
    return {"model": "tail/some-model", "messages": [{"role": "user", "content": text}], **more}


@PLAIN_OR_STREAM
async def test_an_answer_in_openais_format(stream: bool, router: RouterRig) -> None:
    options = {"stream_options": {"include_usage": True}} if stream else {}
    received = await router.call(asking("one [[sim input=2 words=7]]", stream=stream, **options))
    assert received.status == 200, received.body
    if stream:
        *chunks, done = data_of(received)
        assert done == "[DONE]"
        assert len(text_of(chunks).split()) == 7
        assert [chunk["choices"] for chunk in chunks if chunk.get("usage")] == [[]]
        assert sum(bool(choice["finish_reason"]) for chunk in chunks for choice in chunk["choices"]) == 1
    else:
        assert len(json.loads(received.body)["choices"][0]["message"]["content"].split()) == 7
    event = one_event(router)
    assert (event.tokens.input_tokens, event.tokens.output_tokens, event.usage_source) == (2, 7, "provider")


@PLAIN_OR_STREAM
async def test_tool_calls(stream: bool, router: RouterRig) -> None:
    received = await router.call(asking('In "Paris"', tools=[TOOL], tool_choice="required", stream=stream))
    assert b"get_weather" in received.body
    assert b"tool_calls" in received.body
    assert one_event(router).status == "settled"


@PLAIN_OR_STREAM
async def test_one_request_for_one_call_and_its_status_and_retry_after_kept(
    stream: bool, router: RouterRig, simulator: Simulator
) -> None:
    received = await router.call(asking("one [[sim status=429 retry_after=7]]", stream=stream))
    assert (received.status, received.headers.get("retry-after")) == (429, "7")
    assert len(await simulator.requests()) == 1
    assert one_event(router).status == "failed"


@pytest.mark.parametrize("fault", ["status=500", "status=503 retry_after=0", "status=429 retry_after=0", "drop"])
@PLAIN_OR_STREAM
async def test_no_fault_makes_litellm_ask_the_provider_again(
    stream: bool, fault: str, router: RouterRig, simulator: Simulator
) -> None:
    received = await router.call(asking(f"one [[sim {fault}]]", stream=stream))
    assert received.status >= 429
    assert len(await simulator.requests()) == 1


@PLAIN_OR_STREAM
async def test_a_connection_that_breaks_before_the_answer_is_502(stream: bool, router: RouterRig) -> None:
    received = await router.call(asking("one [[sim drop]]", stream=stream))
    assert (received.status, json.loads(received.body)["error"]["code"]) == (502, "upstream_error")
    event = one_event(router)
    assert (event.status, event.finish_state) == ("failed", "upstream_cut")


@pytest.mark.parametrize("name", NAMES)
async def test_a_provider_that_cannot_be_reached_is_502_and_costs_nothing(
    name: str, certificates: Certificates, tmp_path: Path
) -> None:
    async with open_rig(certificates, tmp_path, tail(name, "http://127.0.0.1:9/v1"), LIMITS) as router:
        received = await router.call(asking("one"))
        assert (received.status, json.loads(received.body)["error"]["code"]) == (502, "upstream_error")
        event = one_event(router)
        assert (event.status, event.finish_state, event.usage_source) == ("failed", "not_sent", "none")


async def test_a_stream_without_a_finish_reason_is_not_taken_for_an_answer(router: RouterRig) -> None:
    received = await router.call(asking("one [[sim words=6 no_finish no_done no_usage]]", stream=True))
    assert "error" in data_of(received)[-1]
    event = one_event(router)
    assert (event.status, event.usage_source) == ("partial", "estimated")


async def test_a_stream_without_usage_is_estimated_by_us(router: RouterRig) -> None:
    received = await router.call(asking("one [[sim words=6 no_usage]]", stream=True))
    assert data_of(received)[-1] == "[DONE]"
    assert one_event(router).usage_source == "estimated"


async def test_more_than_a_hundred_equal_chunks_are_a_healthy_stream(router: RouterRig) -> None:
    received = await router.call(asking("one [[sim n_same=150]]", stream=True))
    assert data_of(received)[-1] == "[DONE]"
    assert one_event(router).status == "settled"


async def test_the_upstream_stops_when_the_client_leaves(router: RouterRig, simulator: Simulator) -> None:
    await leave_after_first_bytes(router, asking("one [[sim words=500 delay_ms=10]]", stream=True))
    await it_was_left(router, simulator)


async def test_the_upstream_stops_when_a_client_leaves_that_did_not_read(
    router: RouterRig, simulator: Simulator
) -> None:
    # echoed in large deltas: they fill the window soon, at LiteLLM's pace too, and are more than a router reads ahead
    words = " ".join(["x" * 28 * 1024] * 32)
    async with router.opened(asking(f"{words} [[sim hold_after=32]]", stream=True)) as response:
        await until(lambda: response._stream._unread_bytes == WINDOW_BYTES, timeout_s=30)
        assert (await simulator.stats())["open_streams"] == 1
    await it_was_left(router, simulator)


async def it_was_left(router: RouterRig, simulator: Simulator) -> None:
    """The provider has seen it in time, and that it was the client is on record."""

    async def provider_saw_it() -> bool:
        return bool((await simulator.stats())["client_gone"] == 1)

    await until(provider_saw_it, timeout_s=LEFT_WITHIN_S)
    await until(lambda: bool(router.settled()), timeout_s=LEFT_WITHIN_S)
    assert one_event(router).finish_state == "client_disconnect"


async def test_fields_that_would_steer_litellm_are_not_passed(router: RouterRig, simulator: Simulator) -> None:
    received = await router.call(
        asking("one", api_base="http://127.0.0.1:9", mock_response="mocked", extra_headers={"x-evil": "1"})
    )
    assert received.status == 200
    assert b"mocked" not in received.body
    [asked] = await simulator.requests()
    assert "x-evil" not in asked["headers"]


async def test_a_long_stream_is_not_kept_in_memory(
    router: RouterRig, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_router.transports.litellm_client._KEPT_CHUNKS", 10)
    options = {"stream_options": {"include_usage": True}}
    body, is_held = b"", True
    async with router.opened(
        asking("one [[sim input=3 words=300 hold_after=250]]", stream=True, **options)
    ) as response:
        async for chunk in response.chunks():
            body += chunk
            if is_held and body.count(b'"content"') >= 250:
                is_held = False
                assert sum(isinstance(found, ModelResponseStream) for found in gc.get_objects()) < 100
                async with simulator.session.post(f"{simulator.url}/simulator/release") as released:
                    assert released.status == 200
    assert body.endswith(b"data: [DONE]\n\n")
    event = one_event(router)
    assert (event.tokens.input_tokens, event.tokens.output_tokens, event.usage_source) == (3, 300, "provider")
