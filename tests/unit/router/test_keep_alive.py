"""Comments while a provider is silent, and their place among what is written."""

import asyncio
from collections.abc import Mapping

from gateway_router.client import Client
from gateway_router.keep_alive import KeptAlive
from gateway_shared.errors import UpstreamTimeout
from gateway_shared.sse import KEEP_ALIVE

EVERY_S = 0.02


class Wire:
    """An edge's end: what came, in order. `opened` is how a test lets it read."""

    def __init__(self) -> None:
        self.came: list[bytes | int] = []
        self.arrived = asyncio.Condition()
        self.opened = asyncio.Event()
        self.opened.set()
        self.is_gone = False

    async def start(self, status: int, _headers: Mapping[str, str]) -> None:
        await self._take(status)

    async def write(self, chunk: bytes) -> None:
        await self._take(chunk)

    def put(self, chunk: bytes) -> bool:
        if self.opened.is_set() and not self.is_gone:
            self.came.append(chunk)
            return True
        return False

    async def send(self, status: int, _headers: Mapping[str, str], body: bytes) -> None:
        self.came += [status, body]

    async def _take(self, what: bytes | int) -> None:
        await self.opened.wait()
        if self.is_gone:
            raise ConnectionError
        async with self.arrived:
            self.came.append(what)
            self.arrived.notify_all()

    async def until_there_are(self, count: int) -> None:
        async with asyncio.timeout(5), self.arrived:
            await self.arrived.wait_for(lambda: len(self.came) >= count)


async def test_a_silent_stream_begins_with_comments_and_goes_on_with_them() -> None:
    wire = Wire()
    client = Client(wire, {})
    with KeptAlive(client, every_s=EVERY_S):
        await wire.until_there_are(3)
        await client.write(b"data: 1\n\n")
        there = len(wire.came)
        await wire.until_there_are(there + 1)
    assert wire.came[:3] == [200, KEEP_ALIVE, KEEP_ALIVE]
    assert wire.came[there - 1] == b"data: 1\n\n"
    assert wire.came[there] == KEEP_ALIVE
    assert wire.came.count(200) == 1


async def test_a_failure_after_a_comment_is_an_error_event() -> None:
    wire = Wire()
    client = Client(wire, {})
    with KeptAlive(client, every_s=EVERY_S):
        await wire.until_there_are(2)
        await client.fail(UpstreamTimeout())
    *_, last = wire.came
    assert wire.came[0] == 200
    assert isinstance(last, bytes)
    assert last.startswith(b'data: {"error":')


async def test_a_comment_that_has_begun_decides_the_status() -> None:
    """However close a failure is behind it."""
    wire = Wire()
    client = Client(wire, {})
    client.interject(KEEP_ALIVE)
    await client.fail(UpstreamTimeout())
    assert wire.came[:2] == [200, KEEP_ALIVE]
    assert len(wire.came) == 3


async def test_nothing_is_interjected_into_what_is_being_written() -> None:
    wire = Wire()
    client = Client(wire, {})
    wire.opened.clear()
    writing = asyncio.create_task(client.write(b"data: 1\n\n"))
    await asyncio.sleep(0)
    assert client.interject(KEEP_ALIVE) is None
    wire.opened.set()
    await writing
    assert wire.came == [200, b"data: 1\n\n"]


async def test_what_is_written_waits_for_a_comment_that_is_on_its_way() -> None:
    wire = Wire()
    client = Client(wire, {})
    wire.opened.clear()
    client.interject(KEEP_ALIVE)
    writing = asyncio.create_task(client.write(b"data: 1\n\n"))
    await asyncio.sleep(0)
    wire.opened.set()
    await writing
    assert wire.came == [200, KEEP_ALIVE, b"data: 1\n\n"]


async def test_what_can_be_written_at_once_never_overtakes_a_comment() -> None:
    wire = Wire()
    client = Client(wire, {})
    assert not client.put(b"data: 0\n\n")  # the head has not been sent
    await client.write(b"data: 1\n\n")
    assert client.put(b"data: 2\n\n")
    client.interject(KEEP_ALIVE)
    assert not client.put(b"data: 3\n\n")
    await client.write(b"data: 3\n\n")
    assert client.put(b"data: 4\n\n")
    said = [f"data: {number}\n\n".encode() for number in (1, 2, 3, 4)]
    assert wire.came == [200, said[0], said[1], KEEP_ALIVE, said[2], said[3]]


async def test_the_wait_is_from_the_last_write() -> None:
    wire = Wire()
    client = Client(wire, {})
    kept = KeptAlive(client, every_s=1_000)
    with kept:
        await client.write(b"data: 1\n\n")
        kept._on_timer()
        await asyncio.sleep(0)
        assert wire.came == [200, b"data: 1\n\n"]
        client.written_s -= 1_000
        kept._on_timer()
        await wire.until_there_are(3)
    assert wire.came[2] == KEEP_ALIVE


async def test_a_client_that_left_gets_none() -> None:
    wire = Wire()
    wire.is_gone = True
    client = Client(wire, {})
    await client.write(b"data: 1\n\n")
    assert client.gone
    assert client.interject(KEEP_ALIVE) is None


async def test_zero_switches_it_off() -> None:
    kept = KeptAlive(Client(Wire(), {}), every_s=0)
    with kept:
        assert kept._timer is None
