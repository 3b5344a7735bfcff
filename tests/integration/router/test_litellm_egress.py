"""LiteLLM dials through the guard: by its own clients, and whatever else some provider's module may use."""

import asyncio
import gc
import socket
import urllib.request
from collections.abc import Callable

import httpx
import pytest

from gateway_router.dialects.litellm_names import AsyncHTTPHandler, litellm
from gateway_router.egress import EgressGuard, EgressRefused
from gateway_router.transports.answer_budget import AnswerBudget
from gateway_router.transports.guarded_session import GuardedSession
from gateway_router.transports.litellm_http import LitellmCall
from tests.integration.router.http1_server import Server, listening
from tests.integration.router.loopback import LOOPBACK
from tests.integration.router.router_rig import until


def _by_socket(url: str) -> None:
    """By a name, which the audit hook cannot judge."""
    with socket.socket() as connecting:
        connecting.connect(("localhost", httpx.URL(url).port))


BLOCKING: dict[str, Callable[[str], object]] = {
    "a socket": _by_socket,
    "urllib": lambda url: urllib.request.urlopen(url, timeout=5),
    "httpx": lambda url: httpx.get(url, trust_env=False),
    "LiteLLM's blocking handler": litellm.module_level_client.get,
}


@pytest.mark.parametrize("way", BLOCKING)
async def test_a_call_s_own_sockets_are_not_connected_to_this_machine(way: str) -> None:
    server = Server()
    async with listening(server.serve) as port:
        session = GuardedSession(EgressGuard(LOOPBACK), connect_timeout_s=2)
        call = LitellmCall(session, AnswerBudget())
        with call.served(), pytest.raises((OSError, httpx.HTTPError, litellm.APIError)) as caught:
            await asyncio.to_thread(BLOCKING[way], f"http://localhost:{port}/")
        await session.close()
    assert server.connections == 0
    assert any(isinstance(error, EgressRefused) for error in causes(caught.value))


async def test_what_litellm_leaves_open_ends_with_the_call() -> None:
    """Some of its iterators have nothing to close them by."""
    server = Server(answer=b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {}\n\n")
    async with listening(server.serve) as port:
        session = GuardedSession(EgressGuard(LOOPBACK), connect_timeout_s=2)
        call = LitellmCall(session, AnswerBudget())
        with call.served():
            await AsyncHTTPHandler().post(f"http://127.0.0.1:{port}/", json={}, stream=True)
        assert not server.left.is_set()
        call.let_go()
        async with asyncio.timeout(3):
            await server.left.wait()
        await session.close()


async def test_outside_of_a_call_litellm_s_clients_reach_nobody() -> None:
    made_at_the_import = [found for found in gc.get_objects() if isinstance(found, AsyncHTTPHandler)]
    assert made_at_the_import
    server = Server()
    async with listening(server.serve) as port:
        for handler in (*made_at_the_import, AsyncHTTPHandler(), litellm.module_level_aclient):
            with pytest.raises(httpx.ConnectError, match="not within a call"):
                await handler.get(f"http://127.0.0.1:{port}/")
    assert server.connections == 0


async def test_the_router_s_other_connections_are_not_judged() -> None:
    server = Server()
    async with listening(server.serve) as port:
        await asyncio.to_thread(_by_socket, f"http://localhost:{port}/")
        await until(lambda: server.connections == 1)


def causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None:
        found.append(cause)
        cause = cause.__cause__ or cause.__context__ or getattr(cause, "reason", None)
        if not isinstance(cause, BaseException):
            break
    return found
