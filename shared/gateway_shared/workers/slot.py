"""The place of one worker, as its supervisor sees it: who holds it now, and what was heard of them."""

import os
import signal
import socket
import time
from collections.abc import Callable

from gateway_shared.workers.channel import Channel, ChannelClosed, Message
from gateway_shared.workers.reactor import Reactor
from gateway_shared.workers.restarts import Restarts

SILENT_AFTER_S = 3.0
"""A worker says every second that it lives; one that has not said so for this long gets no connection."""


class Slot:
    """`pid` is None while nobody holds it. `on_message` hears what is not a sign of life."""

    def __init__(self, number: int, reactor: Reactor, on_message: "Callable[[Slot, Message], None]") -> None:
        self.number = number
        self.pid: int | None = None
        self._reactor = reactor
        self._on_message = on_message
        self._restarts = Restarts()
        self._channel: Channel | None = None
        self._began_s = 0.0
        self._heard_s = 0.0
        self._is_started = self._is_draining = False
        self._handed = self._not_taken_yet = self._open = 0

    @property
    def is_started(self) -> bool:
        """Whether its holder has come up."""
        return self.pid is not None and self._is_started

    def accepts(self, *, now_s: float) -> bool:
        """Whether its holder should get a connection now."""
        return self.is_started and not self._is_draining and now_s - self._heard_s < SILENT_AFTER_S

    @property
    def connections(self) -> int:
        """Open ones, those on their way included."""
        return self._open + self._not_taken_yet

    def taken_by(self, pid: int, channel: Channel) -> None:
        self.pid, self._channel = pid, channel
        self._began_s = self._heard_s = time.monotonic()
        self._is_started = self._is_draining = False
        self._handed = self._not_taken_yet = self._open = 0
        self._reactor.watch(channel.socket, self._read)

    def ended(self) -> float:
        """Its holder has died. Returns how long to wait before the next one."""
        self.pid = None
        self._close_channel()
        return self._restarts.pause_s(lived_s=time.monotonic() - self._began_s)

    def send(self, message: Message) -> bool:
        return self._channel is not None and self._channel.send(message)

    def hand(self, connection: socket.socket) -> bool:
        """Gives it a connection; False when that cannot be done now."""
        if self._channel is None or not self._channel.send({"take": 1}, connection):
            return False
        self._handed += 1
        self._not_taken_yet += 1
        return True

    def kill(self) -> None:
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)

    def _read(self) -> None:
        while self._channel is not None:
            try:
                received = self._channel.receive()
            except ChannelClosed:
                self._close_channel()  # SIGCHLD tells the rest
                return
            if received is None:
                return
            message = received[0]
            if "alive" in message:
                self._hear(message["alive"])
            self._on_message(self, message)

    def _hear(self, life: Message) -> None:
        self._heard_s = time.monotonic()
        self._is_started, self._is_draining = life["started"], life["draining"]
        self._open, self._not_taken_yet = life["open"], self._handed - life["taken"]

    def _close_channel(self) -> None:
        if self._channel is not None:
            self._reactor.close(self._channel.socket)
            self._channel = None
