"""Routers that drain, go, refuse and come back: calls are where they are answered."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway_shared import hop_link
from gateway_shared.errors import CircuitOpen, GatewayError, JournalUnavailable, Overloaded, ServerError
from gateway_shared.hop import HopLost
from gateway_shared.hop_client import HopClient
from gateway_shared.hop_server import HopAnswer, HopCall
from tests.integration.shared.hop_pair import for_the_edge, hop_client, hop_server, issue
from tests.integration.shared.test_hop_links import until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    issue(tmp_path)
    return tmp_path


async def echo(call: HopCall, answer: HopAnswer) -> None:
    await answer.send(200, {}, call.body)


async def refused(client: HopClient) -> None:
    """Returns when the one router takes no new call; the drain needs a moment to be heard."""
    async with asyncio.timeout(20):
        with suppress(HopLost):
            while True:
                async with client.request("echo", b"{}") as response:
                    await response.read()


async def test_a_draining_router_finishes_its_streams_while_new_calls_go_elsewhere(folder: Path) -> None:
    gate = asyncio.Event()

    async def slow(call: HopCall, answer: HopAnswer) -> None:
        await answer.start(200, {})
        await answer.write(b"first ")
        await gate.wait()
        await answer.write(b"last")

    operations = for_the_edge(slow=slow, echo=echo)
    async with hop_server(operations, folder) as first, hop_client(folder, first, connections=1) as client:
        async with client.request("slow", b"{}") as response:
            chunks = aiter(response.chunks())
            assert await anext(chunks) == b"first "
            draining = asyncio.create_task(first.drain(30))
            await refused(client)
            assert not draining.done()
            gate.set()
            assert await anext(chunks) == b"last"
            with pytest.raises(StopAsyncIteration):
                await anext(chunks)
        assert await draining


async def test_calls_move_to_the_router_that_is_left(folder: Path) -> None:
    async def name_of(call: HopCall, answer: HopAnswer) -> None:
        await answer.send(200, {}, b"")

    operations = for_the_edge(name=name_of)
    async with (
        hop_server(operations, folder) as one,
        hop_server(operations, folder) as two,
        hop_client(folder, one, two) as client,
    ):
        for number in range(40):
            if number == 20:
                assert await two.drain(10)
            async with client.request("name", b"{}") as response:
                assert response.status == 200


@dataclass
class OneRouter:
    """Answers after a moment, or refuses at once, as it `is_well` or not."""

    error: GatewayError
    is_well: bool = True
    asked: int = 0

    async def serve(self, call: HopCall, answer: HopAnswer) -> None:
        self.asked += 1
        if not self.is_well:
            raise self.error
        for _ in range(50):
            await asyncio.sleep(0)
        await answer.send(200, {}, b"")


async def all_reached(client: HopClient) -> None:
    await until(lambda: all(slot.link is not None for router in client._routers for slot in router.slots))


async def statuses(client: HopClient, calls: int) -> Counter[int]:
    """Of so many calls, sixteen at a time."""
    seen = Counter[int]()

    async def ask() -> None:
        while seen.total() < calls:
            async with client.request("ask", b"{}") as response:
                await response.read()
                seen[response.status] += 1

    await asyncio.gather(*(ask() for _ in range(16)))
    return seen


@pytest.mark.parametrize("error", [Overloaded(retry_after_s=1), JournalUnavailable(), ServerError()])
async def test_a_router_that_refuses_at_once_does_not_draw_the_calls(folder: Path, error: GatewayError) -> None:
    well, ill = OneRouter(error), OneRouter(error, is_well=False)
    async with (
        hop_server(for_the_edge(ask=well.serve), folder) as one,
        hop_server(for_the_edge(ask=ill.serve), folder) as two,
        hop_client(folder, one, two) as client,
    ):
        await all_reached(client)
        seen = await statuses(client, 1_000)
        assert seen[200] >= 950, seen
        assert client.ejected == 1
        ill.is_well = True
        asked = ill.asked
        async with asyncio.timeout(20):
            while client.ejected:
                await statuses(client, 16)
        await statuses(client, 200)
        assert ill.asked > asked + 50


async def test_a_router_that_lets_a_ping_pass_gets_no_call_while_another_speaks(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hop_link, "BEAT_S", 0.05)
    monkeypatch.setattr(hop_link, "MISSED_BEATS", 1_000_000)
    speaking, hung = OneRouter(ServerError()), OneRouter(ServerError())
    async with (
        hop_server(for_the_edge(ask=speaking.serve), folder) as one,
        hop_server(for_the_edge(ask=hung.serve), folder) as two,
        hop_client(folder, one, two) as client,
    ):
        await all_reached(client)
        for link in two.links:
            monkeypatch.setattr(link, "_flush", lambda: None)
        silent = [slot for router in client._routers for slot in router.slots if slot._port == two.port]
        await until(lambda: all(slot.link is not None and slot.link.is_silent for slot in silent))
        asked = hung.asked
        assert await statuses(client, 200) == {200: 215}
        assert hung.asked == asked
        monkeypatch.undo()


async def test_a_router_that_lost_a_connection_gets_no_call_on_the_others_until_it_speaks(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connections of a process that is killed end one after the other."""
    living, dying = OneRouter(ServerError()), OneRouter(ServerError())
    async with (
        hop_server(for_the_edge(ask=living.serve), folder) as one,
        hop_server(for_the_edge(ask=dying.serve), folder) as two,
        hop_client(folder, one, two) as client,
    ):
        await all_reached(client)
        first, second = two.links
        monkeypatch.setattr(second, "_flush", lambda: None)
        edges = [slot.link for router in client._routers for slot in router.slots if slot._port == two.port]
        first.transport.abort()
        await until(lambda: any(link is not None and link.is_lost for link in edges))
        async with asyncio.timeout(20):
            assert await statuses(client, 200) == {200: 215}
        monkeypatch.undo()
        second._flush()
        await until(lambda: not any(link is not None and link.is_silent for link in edges))


async def test_routers_that_all_refuse_are_still_asked(folder: Path) -> None:
    routers = [OneRouter(Overloaded(retry_after_s=1), is_well=False) for _ in range(2)]
    async with (
        hop_server(for_the_edge(ask=routers[0].serve), folder) as one,
        hop_server(for_the_edge(ask=routers[1].serve), folder) as two,
        hop_client(folder, one, two) as client,
    ):
        await all_reached(client)
        assert await statuses(client, 100) == {503: 115}
        for router in routers:
            router.is_well = True
        assert (await statuses(client, 100))[200] >= 100


async def test_an_operation_that_is_answered_says_nothing_of_one_that_is_refused(folder: Path) -> None:
    """As when a router that cannot record calls is asked whether it is there."""
    ill = OneRouter(JournalUnavailable(), is_well=False)
    async with (
        hop_server(for_the_edge(ask=OneRouter(ServerError()).serve, echo=echo), folder) as one,
        hop_server(for_the_edge(ask=ill.serve, echo=echo), folder) as two,
        hop_client(folder, one, two) as client,
    ):
        await all_reached(client)
        await statuses(client, 50)
        for _ in range(20):
            async with client.request("echo", b"{}") as response:
                assert response.status == 200
        assert client.ejected == 1


async def test_a_refusal_that_is_not_the_routers_own_ejects_nobody(folder: Path) -> None:
    """A provider's, or of a request: it would be the same from another router."""
    routers = [OneRouter(CircuitOpen(retry_after_s=1), is_well=False) for _ in range(2)]
    async with (
        hop_server(for_the_edge(ask=routers[0].serve), folder) as one,
        hop_server(for_the_edge(ask=routers[1].serve), folder) as two,
        hop_client(folder, one, two) as client,
    ):
        await all_reached(client)
        await statuses(client, 50)
        assert client.ejected == 0


async def test_a_router_that_comes_back_is_used_again(folder: Path) -> None:
    operations = for_the_edge(echo=echo)
    async with hop_server(operations, folder) as server:
        port = server.port
        context = hop_client(folder, server)
        client = await context.__aenter__()
        async with client.request("echo", b"{}", b"1") as response:
            assert await response.read() == b"1"
    try:
        async with asyncio.timeout(10):
            while client.is_connected:  # noqa: ASYNC110 - until the loss has been seen
                await asyncio.sleep(0)
        async with (
            asyncio.timeout(10),
            hop_server(operations, folder, port=port),
            client.request("echo", b"{}", b"2") as response,
        ):
            assert await response.read() == b"2"
    finally:
        await context.__aexit__(None, None, None)
