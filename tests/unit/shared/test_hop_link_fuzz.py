"""Whatever frames come, in whatever order, a link goes on or hangs up; it raises nothing and keeps nothing."""

import asyncio
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_shared.hop_frames import END, REFUSE, credit_of, head_prefix, header_of
from gateway_shared.hop_link import Link
from gateway_shared.hop_stream import WINDOW_BYTES, Stream

ids = st.integers(0, 5)
payloads = st.one_of(
    st.binary(max_size=40),
    st.builds(lambda head, body: head_prefix(head) + body, st.binary(max_size=9), st.binary(max_size=40)),
    st.builds(credit_of, st.integers(0, WINDOW_BYTES)),
    st.just(bytes(40_000)),
)


def framed(stream_id: int, kind: int, payload: bytes) -> bytes:
    return header_of(stream_id, kind, len(payload)) + payload


frames = st.builds(framed, ids, st.integers(0, REFUSE + 1) | st.integers(END, END + REFUSE), payloads)
wires = st.lists(st.lists(frames, min_size=1, max_size=5).map(b"".join), max_size=20)


class Transport:
    """Takes writes; hangs up as a loop would, in a later tick."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.ended = False

    def set_write_buffer_limits(self, **_: int) -> None:
        return

    def write(self, data: bytes) -> None:
        assert data

    def close(self) -> None:
        if not self.ended:
            self.ended = True
            asyncio.get_running_loop().call_soon(self._link.connection_lost, None)

    abort = close


async def serve(stream: Stream) -> None:
    await stream.head()
    await stream.send(head=b"200")
    while data := await stream.read():
        await stream.send(data)
    await stream.finish()


async def feed(link: Link, pieces: list[bytes]) -> None:
    raised: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
    transport = Transport(link)
    link.connection_made(cast("asyncio.Transport", transport))
    for piece in pieces:
        if transport.ended:
            break
        link.data_received(piece)
        await asyncio.sleep(0)
    transport.close()
    for _ in range(5):
        await asyncio.sleep(0)
    assert link.closed.is_set()
    assert raised == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


@settings(max_examples=200, deadline=None)
@given(pieces=wires)
def test_a_serving_link_survives_any_frames(pieces: list[bytes]) -> None:
    async def run() -> None:
        link = Link(serve)
        await feed(link, pieces)
        assert link.streams == {}

    asyncio.run(run())


@settings(max_examples=200, deadline=None)
@given(pieces=wires)
def test_a_calling_link_survives_any_frames(pieces: list[bytes]) -> None:
    async def run() -> None:
        link = Link()
        await feed(link, pieces)

    asyncio.run(run())
