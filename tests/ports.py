"""Ports for the servers of tests: each is handed out once, so no server takes one that another was promised."""

import os
import random
import socket
from collections.abc import Iterator
from contextlib import suppress


def _own() -> range:
    """Below the range for outgoing connections, and no other worker's of pytest-xdist.

    One of those must not take the port of a server that is down.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    size = 12_000 // workers // 10 * 10
    return range(20_000 + number * size, 20_000 + (number + 1) * size)


def _round_and_round(ports: range) -> Iterator[int]:
    """Begins anywhere, since another run of tests may be on the machine."""
    begun = random.randrange(len(ports))
    while True:
        yield from ports[begun:]
        yield from ports[:begun]


_candidates = _round_and_round(_own())


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; they come again only after thousands of others."""
    return [_next_free() for _ in range(count)]


def free_port_base(count: int) -> int:
    """The first of `count` free ports in a row."""
    row: list[int] = []
    while len(row) < count:
        port = _next_free()
        row = [*row, port] if row and port == row[-1] + 1 else [port]
    return row[0]


def _next_free() -> int:
    for port in _candidates:
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("the candidates have no end")
