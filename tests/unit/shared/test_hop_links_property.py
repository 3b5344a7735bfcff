"""Two links back to back, in memory: what is said arrives as it was said, at any pace, and nothing is left over."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import shake_128
from itertools import cycle
from typing import cast

from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from gateway_shared.hop import HopLost
from gateway_shared.hop_frames import WINDOW, FrameReader, read_credit
from gateway_shared.hop_link import Link
from gateway_shared.hop_stream import WINDOW_BYTES, Stream

FULL_BYTES = 100_000
"""What a wire holds before it asks its writer to pause: less than a window, so that both stand in the way."""
MAX_PACE = 5
QUIET_TURNS = 10 * MAX_PACE
"""Of the loop, without a byte on the way: by then nobody will say anything any more."""


@dataclass
class End:
    """One end of an exchange: says all of `says` in pieces of these sizes; reads after `pace` turns of the loop each.

    Leaves once it has heard `leaves_at` bytes, in the middle of what it says.
    """

    says: bytes
    pieces: list[int]
    pace: list[int]
    leaves_at: int | None
    heard: bytearray = field(default_factory=bytearray)

    async def converse(self, stream: Stream, head: bytes) -> None:
        saying = asyncio.create_task(self._say(stream, head))
        try:
            if await self._hears_all(stream):
                await saying
        finally:
            saying.cancel()
            await asyncio.gather(saying, return_exceptions=True)

    async def _say(self, stream: Stream, head: bytes) -> None:
        await stream.send(head=head)
        at = 0
        for size in cycle(self.pieces):
            if at >= len(self.says):
                break
            await stream.send(self.says[at : at + size])
            at += size
        await stream.finish()

    async def _hears_all(self, stream: Stream) -> bool:
        for turns in cycle(self.pace):
            for _ in range(turns):
                await asyncio.sleep(0)
            if self.leaves_at is not None and len(self.heard) >= self.leaves_at:
                break
            piece = await stream.read()
            if not piece:
                return True
            self.heard += piece
        return False


@dataclass
class Exchange:
    edge: End
    router: End

    @property
    def is_cut(self) -> bool:
        return any(
            one.leaves_at is not None and one.leaves_at <= len(other.says)
            for one, other in ((self.edge, self.router), (self.router, self.edge))
        )

    def check(self) -> None:
        for one, other in ((self.edge, self.router), (self.router, self.edge)):
            assert one.heard == (other.says[: len(one.heard)] if self.is_cut else other.says)


class Wire:
    """One direction: the transport of who writes. `most_unread` is the most that a stream had sent and not granted."""

    def __init__(self, writer: Link, reader: Link) -> None:
        self.back: Wire
        self.bytes = bytearray()
        self.ended = False
        self.most_unread = 0
        self._writer, self._reader = writer, reader
        self._frames = FrameReader()
        self._unread = Counter[int]()

    def set_write_buffer_limits(self, **_: int) -> None:
        return

    def write(self, data: bytes) -> None:
        self.bytes += data
        for frame in self._frames.feed(data):
            if frame.kind == WINDOW:
                self.back._unread[frame.stream_id] -= read_credit(frame)
            else:
                self._unread[frame.stream_id] += len(frame.body)
                self.most_unread = max(self.most_unread, self._unread[frame.stream_id])
        if len(self.bytes) > FULL_BYTES:
            self._writer.pause_writing()

    def deliver(self, size: int) -> None:
        piece = bytes(self.bytes[:size])
        del self.bytes[:size]
        if self._writer.is_full and not self.bytes:
            self._writer.resume_writing()
        if piece:
            self._reader.data_received(piece)

    def close(self) -> None:
        self.ended = True

    abort = close


def wired(edge: Link, router: Link) -> tuple[Wire, Wire]:
    there, back = Wire(edge, router), Wire(router, edge)
    there.back, back.back = back, there
    edge.connection_made(cast("asyncio.Transport", there))
    router.connection_made(cast("asyncio.Transport", back))
    return there, back


async def carry(wires: tuple[Wire, Wire], cuts: Sequence[int], is_idle: Callable[[], bool]) -> None:
    """Brings what is written to the other end, a piece of each wire a turn, until nothing moves any more."""
    quiet = 0
    sizes = [cycle(cuts) for _ in wires]  # each its own: one may hold still now and then, and none for ever
    while quiet < QUIET_TURNS and not any(wire.ended for wire in wires):
        quiet = quiet + 1 if is_idle() and not any(wire.bytes for wire in wires) else 0
        for wire, its_sizes in zip(wires, sizes, strict=True):
            wire.deliver(next(its_sizes))
        await asyncio.sleep(0)


def some_and(most: int, *, least: int = 1) -> st.SearchStrategy[list[int]]:
    """Sizes, with a large one among them, so that small ones do not take for ever."""
    return st.lists(st.integers(least, 30) | st.integers(1, most), max_size=8).map(lambda sizes: [*sizes, most])


def bytes_of(seed: int, size: int) -> bytes:
    return shake_128(seed.to_bytes(4, "big")).digest(size)


sizes = st.one_of(
    st.integers(0, 100), st.integers(WINDOW_BYTES - 2, WINDOW_BYTES + 2), st.integers(0, 2 * WINDOW_BYTES)
)
ends = st.builds(
    End,
    st.builds(bytes_of, st.integers(0, 2**32 - 1), sizes),
    some_and(WINDOW_BYTES),
    st.lists(st.integers(0, MAX_PACE), min_size=1, max_size=4),
    st.none() | st.none() | st.just(0) | sizes,
)


@settings(max_examples=80, phases=[Phase.explicit, Phase.generate])  # to shrink takes minutes
@example([Exchange(End(b"", [1], [1], 0), End(b"", [1], [0], None))], [0] * 10 + [FULL_BYTES])  # OPEN with its CANCEL
@given(exchanges=st.lists(st.builds(Exchange, ends, ends), min_size=1, max_size=5), cuts=some_and(FULL_BYTES, least=0))
def test_bodies_arrive_as_they_were_sent_and_no_stream_is_left_over(exchanges: list[Exchange], cuts: list[int]) -> None:
    async def serve(stream: Stream) -> None:
        await exchanges[int(await stream.head())].router.converse(stream, b"200")

    async def call(link: Link, number: int) -> None:
        stream = link.open()
        try:
            with suppress(HopLost):
                await exchanges[number].edge.converse(stream, b"%d" % number)
        finally:
            stream.close()

    async def run() -> None:
        edge, router = Link(), Link(serve)
        wires = wired(edge, router)
        calls = [asyncio.create_task(call(edge, number)) for number in range(len(exchanges))]
        await carry(wires, cuts, lambda: not (edge.has_output or router.has_output))
        assert not any(wire.ended for wire in wires)  # neither has found fault with the other
        assert all(task.done() for task in calls)
        assert (edge.streams, router.streams) == ({}, {})
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert max(wire.most_unread for wire in wires) <= WINDOW_BYTES
        for exchange in exchanges:
            exchange.check()
        edge.connection_lost(None)
        router.connection_lost(None)

    asyncio.run(run())
