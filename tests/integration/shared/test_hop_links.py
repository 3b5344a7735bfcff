"""Connections that are renewed, refused, drained in their handshake, cut short or fed nonsense."""

import asyncio
import json
import logging
import random
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gateway_shared import canonical_log, hop_router
from gateway_shared.errors import BadRequest
from gateway_shared.hop import HopLost
from gateway_shared.hop_frames import DRAIN, MAX_HEAD_BYTES, PING, header_of
from gateway_shared.hop_server import HopAnswer, HopCall, Operation
from gateway_shared.hop_stream import WINDOW_BYTES
from gateway_shared.tls import PeerRefused, client_context
from tests.integration.shared.hop_pair import files, for_the_edge, hop_client, hop_server, issue

LARGE = bytes(8 * WINDOW_BYTES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    issue(tmp_path)
    return tmp_path


async def echo(call: HopCall, answer: HopAnswer) -> None:
    await answer.send(200, {}, call.body)


class Held:
    """Calls that start an answer and wait for the gate."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.open = 0

    async def serve(self, call: HopCall, answer: HopAnswer) -> None:
        self.open += 1
        try:
            await answer.start(200, {})
            await answer.write(b"first ")
            await self.gate.wait()
            await answer.write(b"last")
        finally:
            self.open -= 1


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.001)


async def test_beyond_the_bound_calls_are_refused_before_their_body_is_read(folder: Path) -> None:
    held = Held()
    operations = {"held": Operation(held.serve, frozenset({"edge"}), max_open=2), **for_the_edge(echo=echo)}
    async with hop_server(operations, folder) as server, hop_client(folder, server) as client:
        async with client.request("held", b"{}") as one, client.request("held", b"{}") as two:
            assert (one.status, two.status) == (200, 200)
            for _ in range(10):
                async with client.request("held", b"{}", LARGE) as refused:
                    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
                    assert b'"code":"overloaded"' in await refused.read()
            async with client.request("echo", b"{}", b"others go on") as response:
                assert await response.read() == b"others go on"
            held.gate.set()
            assert await one.read() == await two.read() == b"first last"
        async with client.request("held", b"{}") as again:
            assert await again.read() == b"first last"


async def test_an_answer_that_did_not_wait_for_the_body_is_the_answer(folder: Path) -> None:
    async def hasty(call: HopCall, answer: HopAnswer) -> None:
        raise AssertionError("never called")

    operations = {"hasty": Operation(hasty, frozenset({"edge"}), max_open=0)}
    async with hop_server(operations, folder) as server, hop_client(folder, server) as client:
        bodies = [LARGE] * 20
        for answer in await asyncio.gather(*(status_of(client, "hasty", body) for body in bodies)):
            assert answer == 503


async def status_of(client: Any, operation: str, body: bytes) -> int:
    async with client.request(operation, b"{}", body) as response:
        await response.read()
        return int(response.status)


async def test_connections_are_renewed_and_no_stream_is_dropped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hop_router, "RENEW_AFTER_S", 0.05)
    monkeypatch.setattr(hop_router, "SETTLED_S", 0.0)
    held = Held()
    operations = for_the_edge(held=held.serve, echo=echo)
    async with (
        hop_server(operations, folder) as server,
        hop_client(folder, server, connections=1) as client,
        client.request("held", b"{}") as response,
    ):
        first = next(iter(server.links))
        seen = set(server.links)
        calls = 0
        while len(seen) < 4:
            async with client.request("echo", b"{}", b"%d" % calls) as other:
                assert await other.read() == b"%d" % calls
            calls += 1
            seen |= server.links
        assert first in server.links
        await until(lambda: len(server.links) <= 2)
        held.gate.set()
        assert await response.read() == b"first last"
    assert calls > 0


async def test_a_connection_is_kept_when_its_successor_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hop_router, "RENEW_AFTER_S", 0.05)
    monkeypatch.setattr(hop_router, "SETTLED_S", 0.0)
    async with (
        hop_server(for_the_edge(echo=echo), folder) as server,
        hop_client(folder, server, connections=1) as client,
    ):
        assert await status_of(client, "echo", b"") == 200
        refused = 0

        def identify(certificate: object) -> None:
            nonlocal refused
            refused += 1
            raise PeerRefused("no longer welcome")

        monkeypatch.setattr(server, "identify", identify)
        await until(lambda: refused >= 2)
        assert await status_of(client, "echo", b"") == 200


async def test_a_connection_in_its_handshake_is_told_of_the_drain(folder: Path) -> None:
    held = Held()
    operations = for_the_edge(held=held.serve)
    async with hop_server(operations, folder) as server, hop_client(folder, server, connections=1) as client:
        loop = asyncio.get_running_loop()
        late = socket.create_connection(("127.0.0.1", server.port))
        late.setblocking(False)
        async with client.request("held", b"{}") as response:
            # accepted, and now in its handshake
            await until(lambda: held.open == 1)
            draining = asyncio.create_task(server.drain(20))
            await until(lambda: not client.is_connected)
            reader, writer = await asyncio.open_connection(
                sock=late, ssl=client_context(files(folder, "edge")), server_hostname="localhost"
            )
            assert await reader.readexactly(18) == header_of(0, PING, 0) + header_of(0, DRAIN, 0)
            writer.transport.abort()
            held.gate.set()
            assert await response.read() == b"first last"
        started_s = loop.time()
        assert await draining
        assert loop.time() - started_s < 10


async def test_an_aborted_server_leaves_no_connection_in_its_handshake(folder: Path) -> None:
    async with hop_server(for_the_edge(echo=echo), folder) as server:
        late = socket.create_connection(("127.0.0.1", server.port))
        late.setblocking(False)
        async with hop_client(folder, server) as client:
            assert await status_of(client, "echo", b"") == 200  # so the one before it was accepted as well
        await server.abort()
        reader, writer = await asyncio.open_connection(
            sock=late, ssl=client_context(files(folder, "edge")), server_hostname="localhost"
        )
        assert await asyncio.wait_for(reader.read(), 10) == header_of(0, PING, 0)
        writer.close()


async def test_calls_are_spread_over_routers_and_the_busier_one_gets_fewer(folder: Path) -> None:
    served = Counter[str]()

    def named(name: str) -> dict[str, Operation]:
        async def serve(call: HopCall, answer: HopAnswer) -> None:
            served[name] += 1
            await answer.send(200, {}, b"")

        return for_the_edge(call=serve, held=held.serve)

    held = Held()
    async with (
        hop_server(named("one"), folder) as one,
        hop_server(named("two"), folder) as two,
        hop_client(folder, one, two) as client,
    ):
        await until(lambda: len(one.links) == len(two.links) == 2)
        await until(lambda: all(slot.link is not None for router in client._routers for slot in router.slots))
        for _ in range(20):
            await status_of(client, "call", b"")
        assert served == {"one": 10, "two": 10}
        async with client.request("held", b"{}"):
            for _ in range(10):
                await status_of(client, "call", b"")
        assert sorted(served.values()) == [10, 20]


async def test_calls_that_are_left_at_any_moment_leave_nothing_behind(folder: Path) -> None:
    held = Held()
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    async with (
        hop_server(for_the_edge(held=held.serve, echo=echo), folder) as server,
        hop_client(folder, server) as client,
    ):
        assert await status_of(client, "echo", b"") == 200
        tasks_before = len(asyncio.all_tasks())

        async def leave(after_ticks: int) -> None:
            body = LARGE[: moments.choice([0, moments.randrange(2**20)])]
            task = asyncio.create_task(status_of(client, moments.choice(["held", "echo"]), body))
            for _ in range(after_ticks):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        for _ in range(10):
            await asyncio.gather(*(leave(moments.randrange(40)) for _ in range(30)))
        await until(lambda: held.open == 0 and not any(link.streams for link in server.links))
        assert all(router.calls == 0 for router in client._routers), seed
        assert not any(slot.link.streams for router in client._routers for slot in router.slots if slot.link), seed
        await until(lambda: len(asyncio.all_tasks()) <= tasks_before)
        assert await status_of(client, "echo", LARGE) == 200


async def test_a_head_that_is_too_long_is_the_callers_error(folder: Path) -> None:
    async with hop_server(for_the_edge(echo=echo), folder) as server, hop_client(folder, server) as client:
        with pytest.raises(BadRequest):
            async with client.request("echo", bytes(MAX_HEAD_BYTES)):
                raise AssertionError("it was sent")
        assert await status_of(client, "echo", b"") == 200


async def test_a_silent_peer_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held()
    async with hop_server(for_the_edge(held=held.serve), folder) as server:
        monkeypatch.setattr("gateway_shared.hop_link.BEAT_S", 0.05)
        async with hop_client(folder, server, connections=1) as client:
            async with client.request("held", b"{}") as response:
                for link in server.links:
                    link.transport.pause_reading()  # as if stopped: it neither reads nor answers
                    monkeypatch.setattr(link, "put", lambda *_: None)
                with pytest.raises(HopLost):
                    await response.read()
            monkeypatch.undo()


async def test_a_router_that_refuses_is_told_of_once_and_once_more_when_it_lets_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(canonical_log._lines, "lowest", logging.INFO)
    pauses: list[float] = []

    def no_pause(_: float, longest_s: float) -> float:
        pauses.append(longest_s)
        return 0.0

    monkeypatch.setattr("gateway_shared.hop_router.random.uniform", no_pause)
    async with hop_server(for_the_edge(echo=echo), folder) as server:
        welcome = server.identify

        def identify(_: object) -> None:
            raise PeerRefused("not welcome")

        monkeypatch.setattr(server, "identify", identify)
        async with hop_client(folder, server) as client:
            await until(lambda: len(pauses) >= 20)
            assert set(pauses) == {hop_router.REFUSED_BACKOFF_S}
            monkeypatch.setattr(server, "identify", welcome)
            assert await status_of(client, "echo", b"") == 200
    told = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    ours = [line for line in told if "router" in line]
    assert [line["message"] for line in ours] == ["router not reached", "router reached again"]
    assert ours[0]["error_class"] == "HopRefused"
