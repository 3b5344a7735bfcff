"""Messages between supervisor and worker: one JSON object each, with a connection or without, over a socket pair."""

import socket
from typing import Any

import orjson

Message = dict[str, Any]
MAX_MESSAGE_BYTES = 128 * 1024
"""A health report is a few KB; the kernel's own limit for one message is its send buffer, 208 KiB."""


class ChannelClosed(Exception):
    """The process at the other end has ended."""


class Channel:
    """One end. Nothing here waits: a message is read when there is one, and sent when there is room."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        end.setblocking(False)

    @classmethod
    def pair(cls) -> "tuple[Channel, Channel]":
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), cls(theirs)

    def send(self, message: Message, connection: socket.socket | None = None) -> bool:
        """False when the other end reads nothing, or has ended: the message is not sent."""
        data = orjson.dumps(message)
        try:
            if connection is None:
                self.socket.send(data)
            else:
                socket.send_fds(self.socket, [data], [connection.fileno()])
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            return False
        return True

    def receive(self) -> tuple[Message, socket.socket | None] | None:
        """The next message, None when there is none now. Raises ChannelClosed."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self.socket, MAX_MESSAGE_BYTES, 1)
        except BlockingIOError:
            return None
        except ConnectionResetError as error:
            raise ChannelClosed from error
        if not data:
            raise ChannelClosed
        return orjson.loads(data), socket.socket(fileno=descriptors[0]) if descriptors else None

    def close(self) -> None:
        self.socket.close()
