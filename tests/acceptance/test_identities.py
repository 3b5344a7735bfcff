"""Inside, nobody talks without the right certificate: the router, the broker and the database each refuse."""

import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from gateway_shared.hop import MODELS, HopLost
from gateway_shared.hop_client import HopClient, HopResponse
from gateway_shared.model_call import ModelCall
from gateway_shared.tls import TlsFiles, client_context
from tests.acceptance.stack import Stack

ROUTER, POSTGRES, RABBITMQ = 4, 5, 6
"""Offsets from PORT_BASE."""
START_UP = b"user\0operator\0database\0gateway\0\0"


def certificates(stack: Stack) -> Path:
    return stack.home / "certificates"


def files_of(stack: Stack, role: str) -> TlsFiles:
    folder = certificates(stack)
    return TlsFiles(folder / "ca.pem", folder / f"{role}.pem", folder / f"{role}.key")


@asynccontextmanager
async def models_asked_as(stack: Stack, role: str) -> AsyncIterator[HopResponse]:
    hop = HopClient(f"https://localhost:{stack.port_base + ROUTER}", client_context(files_of(stack, role)))
    try:
        async with hop.request(MODELS, ModelCall("default").to_json()) as response:
            yield response
    finally:
        await hop.close()


@pytest.mark.parametrize("role", ["billing", "router", "billing_reader", "operator"])
async def test_the_router_refuses_every_identity_but_the_edge(stack: Stack, role: str) -> None:
    with pytest.raises(HopLost):
        async with models_asked_as(stack, role):
            raise AssertionError("it was let in")


async def test_the_router_answers_the_edge(stack: Stack) -> None:
    async with models_asked_as(stack, "edge") as response:
        assert response.status == 200
        assert b"gpt-4o" in await response.read()


@pytest.mark.parametrize("offset", [ROUTER, RABBITMQ], ids=["router", "rabbitmq"])
def test_a_tls_connection_without_a_certificate_gets_nothing(stack: Stack, offset: int) -> None:
    context = ssl.create_default_context(cafile=str(certificates(stack) / "ca.pem"))
    greeting = b"AMQP\x00\x00\x09\x01" if offset == RABBITMQ else b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    with (
        socket.create_connection(("127.0.0.1", stack.port_base + offset), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        # under TLS 1.3 a server refuses the client's certificate after the handshake: seen at the first read
        assert answer_of(wrapped, greeting) == b""


def answer_of(connection: socket.socket, greeting: bytes) -> bytes:
    try:
        connection.sendall(greeting)
        return connection.recv(4096)
    except (ssl.SSLError, ConnectionError):
        return b""


@pytest.mark.parametrize(
    ("offset", "greeting"),
    [
        (ROUTER, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        (RABBITMQ, b"AMQP\x00\x00\x09\x01"),
        # a start-up packet of protocol 3.0 for user `operator`, without asking for TLS first
        (POSTGRES, struct.pack(">II", 8 + len(START_UP), 3 << 16) + START_UP),
    ],
    ids=["router", "rabbitmq", "postgres"],
)
def test_a_plain_text_connection_gets_nothing(stack: Stack, offset: int, greeting: bytes) -> None:
    with socket.create_connection(("127.0.0.1", stack.port_base + offset), timeout=10) as plain:
        answer = answer_of(plain, greeting)
    refused_by_postgres = offset == POSTGRES and answer.startswith(b"E") and b"no pg_hba.conf entry" in answer
    # a TLS alert (content type 21) is a refusal as well
    assert answer == b"" or answer[:1] == b"\x15" or refused_by_postgres, answer


async def test_a_reader_cannot_connect_as_the_owner(stack: Stack) -> None:
    dsn = f"postgresql://operator@localhost:{stack.port_base + POSTGRES}/gateway"
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await asyncpg.connect(dsn, ssl=client_context(files_of(stack, "billing_reader")), timeout=10)
