"""The hop over real sockets and real TLS: calls, cancellation, loss, and everyone who must be refused."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway_authority.authority import Authority
from gateway_authority.directory import issue_directory, read_credential, write_credential
from gateway_authority.profile import LeafProfile, role_profile
from gateway_shared.errors import ModelNotFound
from gateway_shared.hop import HopLost, HopRefused
from gateway_shared.hop_client import HopClient
from gateway_shared.hop_frames import OPEN, PING, WINDOW, header_of
from gateway_shared.hop_server import HopAnswer, HopCall, Operation, serve_hop
from gateway_shared.tls import TlsFiles, client_context, server_context

DEPLOYMENT = "agent-gateway"
DAY = timedelta(days=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    issue_directory(
        tmp_path, deployment=DEPLOYMENT, roles=["edge", "router", "billing"], now=datetime.now(UTC), lifetime=DAY
    )
    return tmp_path


def files(folder: Path, role: str) -> TlsFiles:
    return TlsFiles(folder / "ca.pem", folder / f"{role}.pem", folder / f"{role}.key")


class Router:
    """Operations that tests call, and what they saw."""

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()
        self.waiting = asyncio.Event()

    async def echo(self, call: HopCall, answer: HopAnswer) -> None:
        await answer.send(200, {"Content-Type": "text/plain"}, call.head + b"|" + call.body)

    async def stream(self, call: HopCall, answer: HopAnswer) -> None:
        await answer.start(200, {"Content-Type": "text/event-stream"})
        for number in range(int(call.head)):
            await answer.write(b"data: %d\n\n" % number)

    async def hang(self, call: HopCall, answer: HopAnswer) -> None:
        await answer.start(200, {"Content-Type": "text/event-stream"})
        await answer.write(b"data: first\n\n")
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    async def cut(self, call: HopCall, answer: HopAnswer) -> None:
        await answer.start(200, {"Content-Type": "text/event-stream"})
        await answer.write(b"data: first\n\n")
        answer._stream._link.transport.abort()  # type: ignore[attr-defined]

    async def refuse(self, call: HopCall, answer: HopAnswer) -> None:
        raise ModelNotFound("nobody serves it")

    def operations(self) -> dict[str, Operation]:
        names = ("echo", "stream", "hang", "cut", "refuse")
        return {name: Operation(getattr(self, name), frozenset({"edge"})) for name in names}


@asynccontextmanager
async def running(router: Router, folder: Path) -> AsyncIterator[str]:
    tls = server_context(files(folder, "router"))
    async with serve_hop(router.operations(), host="127.0.0.1", port=0, tls=tls, deployment=DEPLOYMENT) as hop:
        yield f"https://localhost:{hop.port}"


@asynccontextmanager
async def client_of(url: str, folder: Path, role: str = "edge") -> AsyncIterator[HopClient]:
    client = HopClient(url, client_context(files(folder, role)))
    try:
        yield client
    finally:
        await client.close()


async def test_head_and_body_arrive_as_they_were_sent(folder: Path) -> None:
    async with running(Router(), folder) as url, client_of(url, folder) as client:
        body = bytes(range(256)) * 40_000
        async with client.request("echo", b'{"a":1}', body) as response:
            assert response.status == 200
            assert await response.read() == b'{"a":1}|' + body


async def test_a_stream_arrives_whole_and_connections_are_kept(folder: Path) -> None:
    async with running(Router(), folder) as url, client_of(url, folder) as client:
        for _ in range(3):
            async with client.request("stream", b"50") as response:
                text = b"".join([chunk async for chunk in response.chunks()])
            assert text == b"".join(b"data: %d\n\n" % number for number in range(50))


async def test_an_error_of_the_router_is_openais_error_object(folder: Path) -> None:
    async with (
        running(Router(), folder) as url,
        client_of(url, folder) as client,
        client.request("refuse", b"{}") as response,
    ):
        assert response.status == 404
        assert b'"code":"model_not_found"' in await response.read()


async def test_leaving_early_cancels_the_call_at_the_router_within_a_second(folder: Path) -> None:
    router = Router()
    async with running(router, folder) as url, client_of(url, folder) as client:
        async with client.request("hang", b"{}") as response:
            assert await anext(aiter(response.chunks())) == b"data: first\n\n"
            await router.waiting.wait()
        await asyncio.wait_for(router.cancelled.wait(), 1)


async def test_a_router_that_dies_in_a_stream_is_a_lost_hop(folder: Path) -> None:
    async with running(Router(), folder) as url, client_of(url, folder) as client:
        with pytest.raises(HopLost):
            async with client.request("cut", b"{}") as response:
                await response.read()


async def test_a_router_that_is_not_there_is_a_lost_hop(folder: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"https://localhost:{unused.getsockname()[1]}"
        async with client_of(url, folder) as client:
            with pytest.raises(HopLost):
                async with client.request("echo", b"{}"):
                    raise AssertionError("nobody answered, yet there is an answer")


def odd_leaf(folder: Path, name: str) -> LeafProfile:
    now = datetime.now(UTC)
    leaf = role_profile("edge", deployment=DEPLOYMENT, now=now, lifetime=DAY)
    return {
        "expired": replace(leaf, not_before=now - 2 * DAY, not_after=now - DAY),
        "two identities": replace(leaf, uris=(*leaf.uris, f"spiffe://{DEPLOYMENT}/svc/router")),
        "common name only": replace(leaf, uris=(), dns_names=(), ip_addresses=()),
        "server usage only": replace(leaf, usages=("server",)),
        "another deployment": role_profile("edge", deployment="elsewhere", now=now, lifetime=DAY),
        "another authority": leaf,
    }[name]


def authority_of(folder: Path) -> Authority:
    credential = read_credential(folder, "ca")
    assert credential
    return Authority.load(credential)


@pytest.mark.parametrize(
    "name",
    ["expired", "two identities", "common name only", "server usage only", "another deployment", "another authority"],
)
async def test_a_leaf_that_is_not_the_edges_is_refused(folder: Path, name: str) -> None:
    signer = (
        Authority.create(DEPLOYMENT, now=datetime.now(UTC)) if name == "another authority" else authority_of(folder)
    )
    write_credential(folder, "odd", signer.issue(odd_leaf(folder, name)))
    async with running(Router(), folder) as url, client_of(url, folder, "odd") as client:
        with pytest.raises(HopLost):
            async with client.request("echo", b"{}", b"secret"):
                raise AssertionError("it was let in")


async def test_the_wrong_identity_of_the_right_authority_is_refused(folder: Path) -> None:
    async with running(Router(), folder) as url, client_of(url, folder, "billing") as client:
        with pytest.raises(HopLost):
            async with client.request("echo", b"{}", b"secret"):
                raise AssertionError("it was let in")
        assert not client.is_connected


async def test_an_unknown_operation_is_refused_and_others_go_on(folder: Path) -> None:
    async with running(Router(), folder) as url, client_of(url, folder) as client:
        async with client.request("hang", b"{}") as open_call:
            with pytest.raises(HopRefused):
                async with client.request("nothing", b"{}"):
                    raise AssertionError("it was let in")
            assert await anext(aiter(open_call.chunks())) == b"data: first\n\n"
        async with client.request("echo", b"{}", b"1") as response:
            assert await response.read() == b"{}|1"


async def test_a_certificate_that_expires_is_refused_on_a_kept_connection(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(Router(), folder) as url, client_of(url, folder) as client:
        async with client.request("echo", b"{}") as response:
            assert response.status == 200
            await response.read()
        later = (datetime.now(UTC) + 2 * DAY).timestamp()
        monkeypatch.setattr("gateway_shared.hop_server.time.time", lambda: later)
        with pytest.raises(HopRefused):
            async with client.request("echo", b"{}"):
                raise AssertionError("it was let in")


async def test_what_is_not_a_router_gets_no_calls(folder: Path) -> None:
    tls = server_context(files(folder, "billing"))
    router = Router()
    async with (
        serve_hop(router.operations(), host="127.0.0.1", port=0, tls=tls, deployment=DEPLOYMENT) as hop,
        client_of(f"https://localhost:{hop.port}", folder) as client,
    ):
        with pytest.raises(HopLost):
            async with client.request("echo", b"{}", b"secret"):
                raise AssertionError("it was asked")


async def test_tls_1_2_is_refused(folder: Path) -> None:
    context = client_context(files(folder, "edge"))
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with running(Router(), folder) as url:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("localhost", port_of(url), ssl=context)


async def test_plain_text_gets_nothing(folder: Path) -> None:
    async with running(Router(), folder) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(url))
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with suppress(ConnectionError):
            answer = await asyncio.wait_for(reader.read(), 5)
            assert not answer.startswith(b"HTTP")
        writer.close()


@pytest.mark.parametrize(
    "data", [b"\xff" * 9, header_of(1, OPEN, 1) + b"x", header_of(1, WINDOW, 0), header_of(1, 99, 0)]
)
async def test_what_is_not_a_frame_ends_that_connection_only(folder: Path, data: bytes) -> None:
    async with running(Router(), folder) as url, client_of(url, folder) as client:
        reader, writer = await asyncio.open_connection(
            "localhost", port_of(url), ssl=client_context(files(folder, "edge"))
        )
        writer.write(data)
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) in (b"", header_of(0, PING, 0))
        writer.close()
        async with client.request("echo", b"{}", b"still here") as response:
            assert await response.read() == b"{}|still here"


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])
