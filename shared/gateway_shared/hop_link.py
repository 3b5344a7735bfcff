"""One connection of the hop: frames in, frames out, pings, draining; its streams are in `hop_stream`.

What becomes ready in one loop tick leaves in one write.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from gateway_shared import canonical_log
from gateway_shared.hop import HopLost, HopRefused
from gateway_shared.hop_frames import (
    CANCEL,
    DATA,
    DRAIN,
    HEAD,
    OPEN,
    PING,
    PONG,
    REFUSE,
    WINDOW,
    Frame,
    FrameInvalid,
    FrameReader,
    header_of,
    read_credit,
)
from gateway_shared.hop_stream import Stream

MAX_STREAMS = 20_000
BEAT_S = 5.0
MISSED_BEATS = 3
"""A peer that has sent nothing for this many beats is dead, and every stream on it lost."""
WRITE_HIGH_BYTES, WRITE_LOW_BYTES = 1024 * 1024, 256 * 1024

Serve = Callable[[Stream], Awaitable[None]]


class Link(asyncio.Protocol):
    """`serve` runs as a task for each stream that the peer opens; None at the end that opens them.

    `on_change` is called when the link drains, loses a stream or ends, so that its owner can choose again.
    """

    def __init__(self, serve: Serve | None = None, on_change: Callable[["Link"], None] | None = None) -> None:
        self.streams: dict[int, Stream] = {}
        self.is_full = False
        self.peer_drains = False
        self.closed = asyncio.Event()
        self._spoken = asyncio.Event()
        self._refused = False
        self._serve = serve
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._frames = FrameReader()
        self._out: list[bytes | memoryview] = []
        self._last_id = 0
        self._heard = True
        self._missed = 0
        self._is_doubted = False
        self._drains = False
        self._given_up = ""

    @property
    def takes_streams(self) -> bool:
        return not (self.is_ending or len(self.streams) >= MAX_STREAMS)

    @property
    def is_ending(self) -> bool:
        """Whether it will never take a stream again."""
        return self.closed.is_set() or self.peer_drains or self._drains

    @property
    def is_lost(self) -> bool:
        """Whether it ended with neither side having said that it would."""
        return self.closed.is_set() and not (self.peer_drains or self._drains)

    @property
    def is_silent(self) -> bool:
        """Whether the peer let a ping pass without a word, or has yet to answer `doubt`; it may, or be given up."""
        return self._missed > 0 or self._is_doubted

    @property
    def has_output(self) -> bool:
        """Whether it writes at the end of this loop tick."""
        return bool(self._out)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # not asserted: uvloop's TLS transport is not a subclass
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES, low=WRITE_LOW_BYTES)
        self._beat = self._loop.call_later(BEAT_S, self._on_beat)

    def greet(self) -> None:
        """Speaks first, so that the peer knows that it was let in."""
        self.put(0, PING)

    async def greeted(self) -> None:
        """Returns when the peer has spoken: under TLS 1.3 a client learns only then that it was let in.

        Raises HopRefused or HopLost.
        """
        await self._spoken.wait()
        if self._refused:
            raise HopRefused("the router refuses this identity")
        if self.closed.is_set():
            raise HopLost("the router hung up")

    def open(self) -> Stream:
        """A new stream to the peer. Raises HopLost when this link takes none."""
        if not self.takes_streams:
            raise HopLost("the connection takes no new stream")
        self._last_id = self._last_id % 0xFFFF_FFFF + 1
        while self._last_id in self.streams:
            self._last_id = self._last_id % 0xFFFF_FFFF + 1
        stream = self.streams[self._last_id] = Stream(self, self._last_id, OPEN)
        return stream

    def drain(self) -> None:
        """Tells the peer to open no more; the link ends with its last stream (at the opening side)."""
        if not self._drains:
            self._drains = True
            self.put(0, DRAIN)
        self._end_when_idle()

    def doubt(self) -> None:
        """Asks the peer whether it is still there: another connection to it was lost, and it may have died."""
        if not self.is_ending:
            self._is_doubted = True
            self.put(0, PING)

    def refuse(self, stream: Stream | None = None) -> None:
        """Tells the peer that its identity may not open this stream, or, without one, any."""
        if stream is None:
            self.put(0, REFUSE)
        elif self.streams.pop(stream.id, None) is not None:
            self.put(stream.id, REFUSE)

    def close(self) -> None:
        """Hangs up, once what was queued has left."""
        self._flush()
        self.transport.close()

    def put(self, stream_id: int, kind: int, prefix: bytes = b"", body: bytes | memoryview = b"") -> None:
        """Queues one frame for the end of this loop tick."""
        out = self._out
        if not out:
            self._loop.call_soon(self._flush)
        out.append(header_of(stream_id, kind, len(prefix) + len(body)))
        if prefix:
            out.append(prefix)
        if body:
            out.append(body)

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and not self.closed.is_set():
            self.transport.write(b"".join(out))

    def forget(self, stream: Stream, *, complete: bool) -> None:
        if self.streams.pop(stream.id, None) is None:
            return
        if not complete:
            self.put(stream.id, CANCEL)
        self._end_when_idle()
        self._changed()

    def _end_when_idle(self) -> None:
        # the serving side waits for the opener to hang up: an OPEN may be on its way
        if self._serve is None and (self._drains or self.peer_drains) and not self.streams:
            self._loop.call_soon(self.close)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        self._spoken.set()
        try:
            for frame in self._frames.feed(data):
                self._receive(frame)
        except FrameInvalid as error:
            self._give_up(str(error))

    def _receive(self, frame: Frame) -> None:
        kind = frame.kind
        stream = self.streams.get(frame.stream_id)
        if kind in (DATA, HEAD):
            if stream is not None:
                stream.receive(frame)
        elif kind == OPEN:
            self._opened(frame, stream)
        elif kind == WINDOW:
            if stream is not None:
                stream.grant(read_credit(frame))
        elif kind == CANCEL:
            if stream is not None:
                stream.fail(HopLost("cancelled by the peer"))
        elif kind == REFUSE:
            self._refused = self._refused or frame.stream_id == 0
            if stream is not None:
                stream.fail(HopRefused("the router refuses this identity"))
        elif kind == PING:
            self.put(0, PONG)
        elif kind == PONG:
            self._is_doubted = False
        elif kind == DRAIN:
            self.peer_drains = True
            self._end_when_idle()
            self._changed()

    def _opened(self, frame: Frame, stream: Stream | None) -> None:
        if self._serve is None or stream is not None:
            raise FrameInvalid("a stream opened by the wrong side, or twice")
        if len(self.streams) >= MAX_STREAMS:
            self.put(frame.stream_id, CANCEL)
            return
        stream = self.streams[frame.stream_id] = Stream(self, frame.stream_id, HEAD)
        stream.receive(frame)
        stream.task = self._loop.create_task(self._run(stream))

    async def _run(self, stream: Stream) -> None:
        assert self._serve is not None
        try:
            await self._serve(stream)
        except HopLost:
            return  # the edge has gone; the operation has seen it and ended
        finally:
            stream.task = None
            stream.close()

    def _on_beat(self) -> None:
        self._missed = 0 if self._heard else self._missed + 1
        self._heard = False
        if self._missed >= MISSED_BEATS:
            self._give_up("the peer is silent")
            return
        self.put(0, PING)
        self._beat = self._loop.call_later(BEAT_S, self._on_beat)

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        for stream in list(self.streams.values()):
            stream.wake_writer()

    def _give_up(self, why: str) -> None:
        self._given_up = why
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._beat.cancel()
        self.closed.set()
        self._spoken.set()
        if self.streams or self._given_up:
            why = self._given_up or ("closed" if exc is None else type(exc).__name__)
            canonical_log.warning("hop connection lost", reason=why, open_streams=len(self.streams))
        for stream in list(self.streams.values()):
            stream.fail(HopLost("the connection was lost"))
        self._changed()

    def _changed(self) -> None:
        if self._on_change is not None:
            self._on_change(self)
