"""The supervisor's operations port: HTTP/1.1, GET and HEAD, one request a connection.

Small on purpose: a process that forks holds no event loop, and this port is private (see operations.py).
"""

import socket
from collections.abc import Callable
from http import HTTPStatus

from gateway_shared.workers.reactor import Reactor

MAX_HEAD_BYTES = 8192
MAX_CLIENTS = 100
PATIENCE_S = 10.0
"""For the whole of a request and its answer."""

Reply = Callable[[HTTPStatus, str, bytes], None]
"""Takes the status, the content type and the body; may be called later, once."""

Answer = Callable[[str, Reply], None]
"""Takes the path of a GET, without its query."""


class OperationsPort:
    """Accepts on `listening` as long as the reactor runs."""

    def __init__(self, reactor: Reactor, listening: socket.socket, answer: Answer) -> None:
        self._reactor = reactor
        self._listening = listening
        self._answer = answer
        self._clients: set[_Client] = set()
        listening.setblocking(False)
        reactor.watch(listening, self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # the client left before we came
        if len(self._clients) >= MAX_CLIENTS:
            connection.close()
            return
        client = _Client(self._reactor, connection, self._answer, on_end=self._clients.discard)
        self._clients.add(client)


class _Client:
    def __init__(
        self, reactor: Reactor, connection: socket.socket, answer: Answer, *, on_end: "Callable[[_Client], None]"
    ) -> None:
        self._reactor = reactor
        self._connection = connection
        self._answer = answer
        self._on_end = on_end
        self._received = b""
        self._is_asked = False
        self._is_head = False
        self._to_send = memoryview(b"")
        self._is_open = True
        connection.setblocking(False)
        reactor.watch(connection, self._read)
        self._timer = reactor.call_later(PATIENCE_S, self._end)

    def _read(self) -> None:
        try:
            data = self._connection.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end()
        elif not self._is_asked:  # what comes after the request is not for us
            self._received += data
            if b"\r\n\r\n" in self._received:
                self._is_asked = True
                self._ask()
            elif len(self._received) > MAX_HEAD_BYTES:
                self._is_asked = True
                self._reply(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "text/plain", b"")

    def _ask(self) -> None:
        method, _, rest = self._received.partition(b" ")
        target, _, version = rest.partition(b"\r\n")[0].partition(b" ")
        self._is_head = method == b"HEAD"
        if not version.startswith(b"HTTP/1."):
            self._reply(HTTPStatus.BAD_REQUEST, "text/plain", b"")
        elif method not in (b"GET", b"HEAD"):
            self._reply(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"")
        else:
            self._answer(target.partition(b"?")[0].decode("latin-1"), self._reply)

    def _reply(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        if not self._is_open:
            return
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self._to_send = memoryview(head.encode() + (b"" if self._is_head else body))
        self._reactor.watch_for_room(self._connection, self._write)

    def _write(self) -> None:
        try:
            sent = self._connection.send(self._to_send)
        except BlockingIOError:
            return
        except OSError:
            self._end()
            return
        self._to_send = self._to_send[sent:]
        if not self._to_send:
            self._end()

    def _end(self) -> None:
        if self._is_open:
            self._is_open = False
            self._timer.cancel()
            self._reactor.close(self._connection)
            self._on_end(self)
