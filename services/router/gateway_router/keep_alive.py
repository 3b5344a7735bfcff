"""Comments in an event stream while its provider is silent: proxies on the way keep the connection (WIRE: streams).

The first comment begins the answer, 200 and `text/event-stream`: what fails afterwards is an error event. It is no byte
of a provider's: another attempt may still take the place of this one.
"""

import asyncio
import time
from types import TracebackType

from gateway_router.client import Client
from gateway_shared.sse import KEEP_ALIVE


class KeptAlive:
    """`with KeptAlive(client, every_s=15)`: whenever nothing was written for that long, a comment. 0 is never.

    One timer, which looks at the time of the last write when it fires: a stream that flows pays for none.
    """

    def __init__(self, client: Client, *, every_s: float) -> None:
        self._client = client
        self._every_s = every_s
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._comment: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        if self._every_s > 0:
            self._client.written_s = time.monotonic()
            self._timer = self._loop.call_later(self._every_s, self._on_timer)

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._comment is not None:
            self._comment.cancel()

    def _on_timer(self) -> None:
        quiet_s = time.monotonic() - self._client.written_s
        if quiet_s >= self._every_s:
            self._comment = self._client.interject(KEEP_ALIVE)
            quiet_s = 0.0
        self._timer = self._loop.call_later(self._every_s - quiet_s, self._on_timer)
