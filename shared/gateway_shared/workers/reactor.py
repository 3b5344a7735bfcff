"""The supervisor's event loop: descriptors, timers and signals, in one thread and with nothing hidden.

Not asyncio: a supervisor forks, and a child must be able to put down everything that it inherited.
"""

import heapq
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from itertools import count

Callback = Callable[[], None]


class Timer:
    """A callback to come; `cancel` as often as you like."""

    def __init__(self, callback: Callback) -> None:
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        self.callback = None


class Reactor:
    """Owns every socket that is watched: `close_all` closes them."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._signals: dict[int, Callback] = {}
        self._woken, self._waking = socket.socketpair()
        self._woken.setblocking(False)
        self._waking.setblocking(False)
        signal.set_wakeup_fd(self._waking.fileno(), warn_on_full_buffer=False)
        self.watch(self._woken, self._run_signals)

    def watch(self, readable: socket.socket, callback: Callback) -> None:
        """Calls back whenever there is something to read, or a connection to accept."""
        self._selector.register(readable, selectors.EVENT_READ, callback)

    def watch_for_room(self, writable: socket.socket, callback: Callback) -> None:
        """Instead of reading: calls back whenever there is room to write."""
        self._selector.modify(writable, selectors.EVENT_WRITE, callback)

    def unwatch(self, watched: socket.socket) -> None:
        """Nothing, of a socket that is not watched or closed already."""
        if watched.fileno() >= 0 and watched in self._selector.get_map():
            self._selector.unregister(watched)

    def close(self, watched: socket.socket) -> None:
        """Watches it no more, and closes it."""
        self.unwatch(watched)
        watched.close()

    def call_later(self, delay_s: float, callback: Callback) -> Timer:
        timer = Timer(callback)
        heapq.heappush(self._timers, (time.monotonic() + delay_s, next(self._order), timer))
        return timer

    def on_signal(self, number: signal.Signals, callback: Callback) -> None:
        self._signals[number] = callback
        signal.signal(number, lambda *_: None)  # the number arrives through the wakeup descriptor

    def run_once(self) -> None:
        """Waits for the next thing to do, and does it."""
        for key, _ in self._selector.select(self._until_next_timer_s()):
            if self._selector.get_map().get(key.fd) is key:  # an earlier callback may have closed it
                key.data()
        now_s = time.monotonic()
        while self._timers and self._timers[0][0] <= now_s:
            _, _, timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                timer.callback()

    def fork(self) -> int:
        """As os.fork; the child has no signal handler of the parent's, nor a descriptor that is watched."""
        handled = set(self._signals)
        signal.pthread_sigmask(signal.SIG_BLOCK, handled)
        try:
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                for number in handled:
                    signal.signal(number, signal.SIG_DFL)
                self.close_all()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, handled)
        return pid

    def close_all(self) -> None:
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._waking.close()
        self._selector.close()

    def _until_next_timer_s(self) -> float | None:
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _run_signals(self) -> None:
        for number in self._woken.recv(4096):
            self._signals[number]()
