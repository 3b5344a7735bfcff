"""Both ends of the hop on this machine, with real certificates: what the tests of the hop share."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway_authority.directory import issue_directory
from gateway_shared.hop_client import HopClient
from gateway_shared.hop_server import HopServer, Operation, Serve, serve_hop
from gateway_shared.tls import TlsFiles, client_context, server_context

DEPLOYMENT = "agent-gateway"
DAY = timedelta(days=1)


def issue(folder: Path) -> None:
    issue_directory(
        folder, deployment=DEPLOYMENT, roles=["edge", "router", "billing"], now=datetime.now(UTC), lifetime=DAY
    )


def files(folder: Path, role: str) -> TlsFiles:
    return TlsFiles(folder / "ca.pem", folder / f"{role}.pem", folder / f"{role}.key")


def for_the_edge(**serve: Serve) -> dict[str, Operation]:
    return {name: Operation(function, frozenset({"edge"})) for name, function in serve.items()}


@asynccontextmanager
async def hop_server(operations: Mapping[str, Operation], folder: Path, *, port: int = 0) -> AsyncIterator[HopServer]:
    tls = server_context(files(folder, "router"))
    async with serve_hop(operations, host="127.0.0.1", port=port, tls=tls, deployment=DEPLOYMENT) as hop:
        yield hop


@asynccontextmanager
async def hop_client(
    folder: Path, *servers: HopServer, role: str = "edge", connections: int = 2
) -> AsyncIterator[HopClient]:
    urls = ",".join(f"https://localhost:{server.port}" for server in servers)
    client = HopClient(urls, client_context(files(folder, role)), connections=connections)
    try:
        yield client
    finally:
        await client.close()
