"""No final byte leaves the router before the settle record is durable (RELIABILITY: I1)."""

import asyncio
import json
from collections.abc import Callable

import pytest

from gateway_router.attempt import Journal, WrittenEvent
from gateway_shared.errors import JournalUnavailable
from gateway_shared.hop import OWN_ERROR
from tests.integration.router.router_rig import RouterRig, until
from tests.integration.router.test_calls import EVERY_PROVIDER, PLAIN_OR_STREAM, asking, data_of, one_event


class SlowDisk:
    """A journal whose records become durable when the test says so."""

    def __init__(self, journal: Journal) -> None:
        self.producer = journal.producer
        self.intent, self.checkpoint = journal.intent, journal.checkpoint
        self.waiting: list[asyncio.Future[None]] = []
        self._journal = journal

    def settle(self, build: Callable[[str, int], WrittenEvent]) -> asyncio.Future[None]:
        self._journal.settle(build)
        self.waiting.append(asyncio.get_running_loop().create_future())
        return self.waiting[-1]


@EVERY_PROVIDER
@PLAIN_OR_STREAM
@pytest.mark.parametrize("words", ["words=3", "words=3 cut_after=2", "status=500"])
async def test_the_end_of_an_answer_waits_for_the_disk(
    provider: str, stream: bool, words: str, router: RouterRig
) -> None:
    disk = router.calls.journal = SlowDisk(router.journal)
    received = bytearray()

    async def read() -> None:
        async with router.opened(asking(provider, f"one [[sim {words}]]", stream=stream)) as response:
            async for chunk in response.chunks():
                received.extend(chunk)

    reading = asyncio.create_task(read())
    await until(lambda: bool(disk.waiting))
    await asyncio.wait({reading}, timeout=0.05)
    assert not reading.done()
    assert b"[DONE]" not in received
    assert b'"error"' not in received
    if not stream:
        assert not received
    disk.waiting[0].set_result(None)
    await reading
    assert b"[DONE]" in received or b'"error"' in received or b'"usage"' in received
    assert len(disk.waiting) == 1


class FullDisk(SlowDisk):
    """A journal that takes intents, and then no more."""

    def settle(self, build: Callable[[str, int], WrittenEvent]) -> asyncio.Future[None]:
        raise JournalUnavailable


@EVERY_PROVIDER
@PLAIN_OR_STREAM
async def test_nothing_is_answered_unbilled(provider: str, stream: bool, router: RouterRig) -> None:
    router.calls.journal = FullDisk(router.journal)
    received = await router.call(asking(provider, "one [[sim words=3]]", stream=stream))
    assert b"[DONE]" not in received.body
    assert b'"usage":{' not in received.body
    error = data_of(received)[-1]["error"] if received.status == 200 else json.loads(received.body)["error"]
    assert error["code"] == "journal_unavailable"
    assert received.status == 200 or OWN_ERROR in received.headers  # the edge asks another router first


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_a_fault_of_ours_is_an_error_and_one_row_of_unknown_state(
    provider: str, router: RouterRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(self: object, data: bytes) -> bytes:
        raise RuntimeError("a fault, with a secret in its text")

    monkeypatch.setattr("gateway_router.dialects.openai_wire.OpenAiStream.feed", faulty)
    monkeypatch.setattr("gateway_router.dialects.translated.TranslatedStream.feed", faulty)
    received = await router.call(asking(provider, "one [[sim words=3]]", stream=True))
    assert (received.status, json.loads(received.body)["error"]["code"]) == (500, "server_error")
    assert b"secret" not in received.body
    event = one_event(router)
    assert (event.status, event.finish_state) == ("unknown", "gateway_lost")
