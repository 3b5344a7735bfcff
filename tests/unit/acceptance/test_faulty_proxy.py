"""The proxy between the parts of a stack does to bytes and connections what it says."""

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest

from tests.acceptance.faulty_proxy import FaultyProxy
from tests.ports import free_ports


@pytest.fixture
def proxy() -> Iterator[tuple[FaultyProxy, socket.socket]]:
    """A proxy, and the listening socket behind it."""
    (port,) = free_ports(1)
    with socket.create_server(("127.0.0.1", port)) as behind:
        proxy = FaultyProxy(port)
        yield proxy, behind
        proxy.close()


def joined(proxy: FaultyProxy, behind: socket.socket) -> tuple[socket.socket, socket.socket]:
    near = socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
    far, _ = behind.accept()
    far.settimeout(5)
    near.sendall(b"!")
    assert far.recv(1) == b"!"
    return near, far


def test_what_goes_in_comes_out_later_when_the_proxy_is_slow(proxy: tuple[FaultyProxy, socket.socket]) -> None:
    near, far = joined(*proxy)
    with near, far:
        near.sendall(b"at once")
        assert far.recv(100) == b"at once"
        with proxy[0].slow(0.2):
            sent_s = time.monotonic()
            far.sendall(b"late")
            assert near.recv(100) == b"late"
            assert time.monotonic() - sent_s >= 0.2


async def test_a_silent_path_says_nothing_more_and_a_new_one_speaks(proxy: tuple[FaultyProxy, socket.socket]) -> None:
    near, far = joined(*proxy)
    with proxy[0].silent():
        near.sendall(b"lost")
    far.settimeout(0.2)
    with near, pytest.raises(TimeoutError):
        far.recv(100)
    with pytest.raises(TimeoutError):  # nor does it hear that the other side has left
        await asyncio.to_thread(far.recv, 100)
    far.close()
    near, far = joined(*proxy)
    with near, far:
        near.sendall(b"new")
        assert far.recv(100) == b"new"


def test_both_sides_hear_a_reset(proxy: tuple[FaultyProxy, socket.socket]) -> None:
    near, far = joined(*proxy)
    with near, far:
        proxy[0].reset()
        for side in (near, far):
            with pytest.raises(ConnectionResetError):
                side.recv(100)


def test_who_is_mute_still_hears(proxy: tuple[FaultyProxy, socket.socket]) -> None:
    near, far = joined(*proxy)
    with near, far, proxy[0].mute():
        near.sendall(b"lost")
        far.sendall(b"heard")
        assert near.recv(100) == b"heard"
        far.settimeout(0.2)
        with pytest.raises(TimeoutError):
            far.recv(100)
