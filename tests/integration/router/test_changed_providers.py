"""Providers that an operator changes or deletes while calls are on their way to them."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from gateway_router.configuration import Configuration, FixedDirectory
from gateway_router.providers_in_force import combine
from gateway_router.stored_provider import StoredProvider
from gateway_shared.settings import Secret
from tests.integration.router.loopback import LOOPBACK
from tests.integration.router.router_rig import RouterRig, Simulator, listening, providers_at
from tests.integration.router.test_calls import asking, data_of
from tests.recordings import Received
from tests.unit.router.stored import configuration, ring, stored

EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"one"},"finish_reason":"stop"}]}\n\n'
PutInForce = Callable[..., None]

DELETED, NEXT = "sk-canary-of-the-deleted-provider", "sk-canary-of-the-next-one"


@pytest.fixture
def put_in_force(router: RouterRig) -> PutInForce:
    """What the router routes by from now on."""
    directory = router.calls.directory
    assert isinstance(directory, FixedDirectory)

    def put(*providers: StoredProvider) -> None:
        found = combine(Configuration(), configuration(*providers), ring(), allowed_hosts=LOOPBACK)
        assert not found.unusable
        directory.current = found.configuration

    return put


def at(simulator: Simulator, provider: str, key: str, version: int) -> StoredProvider:
    """Of that kind and name, played by the simulator."""
    base_url = providers_at(simulator.url)[provider].base_url
    return stored(provider, key, kind=provider, base_url=base_url, version=version)


def holders_of(key: str) -> list[str]:
    """Which of the gateway's own objects hold the key still; the simulator, in this process too, is another's."""
    gc.collect()
    ours = [
        found
        for found in gc.get_objects()
        if str(type(found).__module__).startswith(("gateway_router", "gateway_shared"))
    ]
    return [type(holder).__name__ for holder in ours if key in _texts_in(holder)]


def _texts_in(holder: object) -> Iterator[str]:
    if isinstance(holder, Secret):
        yield holder.reveal()
    yield from (held for held in gc.get_referents(holder) if isinstance(held, str))


class HeldProvider:
    """Speaks OpenAI's wire; every stream stops after its first event until `released`."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.released = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.keys.append(request.headers["Authorization"].removeprefix("Bearer "))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(EVENT)
        await self.released.wait()
        await response.write(b"data: [DONE]\n\n")
        return response


@asynccontextmanager
async def held_provider() -> AsyncIterator[tuple[HeldProvider, str]]:
    app, provider = web.Application(), HeldProvider()
    app.router.add_post("/v1/chat/completions", provider.answer)
    async with listening(web.AppRunner(app)) as url:
        yield provider, f"{url}/v1"


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_a_deleted_providers_stream_goes_on_to_its_end_and_its_key_is_gone_then(
    provider: str, router: RouterRig, simulator: Simulator, put_in_force: PutInForce
) -> None:
    put_in_force(at(simulator, provider, DELETED, 1))
    body = asking(provider, "one two [[sim words=30 delay_ms=10]]", stream=True)
    async with router.opened(body) as response:
        chunks = response.chunks()
        received = await anext(chunks)
        put_in_force()
        refused = await router.call(body)
        assert "Secret" in holders_of(DELETED)
        received += b"".join([chunk async for chunk in chunks])
    assert refused.status in (404, 503)
    assert data_of(Received(200, {}, received))[-1] == "[DONE]"
    assert [event.status for event in router.settled()] == ["settled"]
    assert holders_of(DELETED) == []


async def test_key_and_address_changed_in_flight_are_for_the_calls_that_come_after(
    router: RouterRig, put_in_force: PutInForce
) -> None:
    body = asking("openai", "one", stream=True)
    async with held_provider() as (old, old_url), held_provider() as (new, new_url):
        new.released.set()
        put_in_force(stored("openai", DELETED, base_url=old_url))
        async with router.opened(body) as response:
            chunks = response.chunks()
            received = await anext(chunks)
            changed = stored("openai", NEXT, base_url=new_url, version=2)
            put_in_force(changed)
            after = await router.call(body)
            old.released.set()
            received += b"".join([chunk async for chunk in chunks])
    assert data_of(after)[-1] == data_of(Received(200, {}, received))[-1] == "[DONE]"
    assert (old.keys, new.keys) == ([DELETED], [NEXT])
    assert holders_of(DELETED) == []
