"""An edge in this process, on real sockets, with keys out of a real database."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import asyncpg
import orjson
from prometheus_client import REGISTRY

from gateway_edge import keys_command, tenants_command
from gateway_edge.resources import GRANT_CHANNEL
from gateway_edge.serve import Edge
from gateway_edge.settings import EdgeSettings, KeysSettings, Pepper
from gateway_shared import postgres
from tests.integration.edge.stand_in_router import StandInRouter
from tests.servers import Postgres

PEPPER = Pepper("a pepper for tests, 32 bytes long")
CHAT = "/v1/chat/completions"
LANGCHAIN_CHAT = "/v1/langchain/chat/completions"
GOOD: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there"}]}


def total(name: str, **labels: str) -> float:
    """The sum of a metric's samples in this process."""
    return sum(
        sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def edge_settings(server: Postgres, router_url: str, **changes: Any) -> EdgeSettings:
    files = server.tls_files("edge")
    settings = EdgeSettings(
        tls_ca_file=files.ca_file,
        tls_cert_file=files.cert_file,
        tls_key_file=files.key_file,
        postgres_dsn=server.dsn("edge"),
        key_pepper=PEPPER,
        router_url=router_url,
        port=0,
        ops_port=0,
        drain_notice_s=0,
    )
    return replace(settings, **changes)


async def keys(server: Postgres, *arguments: str, role: str = "operator") -> list[str]:
    """What `python -m gateway_edge keys ...` writes, line by line."""
    parser = argparse.ArgumentParser()
    keys_command.add_arguments(parser)
    lines: list[str] = []
    assert await keys_command.run(parser.parse_args(arguments), _command_settings(server, role), lines.append) == 0
    return lines


async def tenants(server: Postgres, *arguments: str) -> list[str]:
    """What `python -m gateway_edge tenants ...` writes, line by line."""
    parser = argparse.ArgumentParser()
    tenants_command.add_arguments(parser)
    parsed, settings = parser.parse_args(arguments), _command_settings(server, "operator")
    lines: list[str] = []
    if parsed.action == "pseudonym":
        assert tenants_command.show_pseudonym(parsed, settings, lines.append) == 0
    else:
        assert await tenants_command.run(parsed, settings, lines.append) == 0
    return lines


def _command_settings(server: Postgres, role: str) -> KeysSettings:
    files = server.tls_files(role)
    return KeysSettings(
        tls_ca_file=files.ca_file,
        tls_cert_file=files.cert_file,
        tls_key_file=files.key_file,
        postgres_dsn=server.dsn(role),
        key_pepper=PEPPER,
    )


async def make_key(server: Postgres, kind: str, *, tenant: str = "default", plan: str = "standard") -> tuple[str, str]:
    """A new key and its id."""
    told, key = await keys(
        server, "create", "--tenant", tenant, "--user", "alice", "--kind", kind, "--plan", plan, role="edge"
    )
    return key, told.split()[1]


@asynccontextmanager
async def as_operator(server: Postgres) -> AsyncIterator[asyncpg.Connection]:
    connection = await postgres.connect(server.dsn("operator"), server.tls_files("operator"), application_name="tests")
    try:
        yield connection
    finally:
        await connection.close()


class Client:
    """An HTTP client of one edge."""

    def __init__(self, edge: Edge, session: aiohttp.ClientSession) -> None:
        self.edge = edge
        self.port = edge.port
        self.session = session

    def post(
        self, key: str | None, body: dict[str, Any] | bytes = orjson.dumps(GOOD), path: str = CHAT, **headers: str
    ) -> Any:
        """A POST to enter with `async with`; `headers` have `_` for `-`."""
        return self.session.post(
            f"http://127.0.0.1:{self.port}{path}",
            data=body if isinstance(body, bytes) else orjson.dumps(body),
            headers=_headers(key, {"Content-Type": "application/json", **headers}),
        )

    def get(self, path: str, key: str | None = None) -> Any:
        return self.session.get(f"http://127.0.0.1:{self.port}{path}", headers=_headers(key, {}))


def _headers(key: str | None, headers: dict[str, str]) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {**named, "Authorization": f"Bearer {key}"} if key else named


@asynccontextmanager
async def running_edge(settings: EdgeSettings) -> AsyncIterator[Client]:
    edge = Edge(settings)
    await edge.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Client(edge, session)
    finally:
        await edge.stop()


@asynccontextmanager
async def running_stack(server: Postgres, **changes: Any) -> AsyncIterator[tuple[Client, StandInRouter]]:
    """An edge with its router, hearing of changes in the database."""
    async with (
        StandInRouter().running(server.tls_files("router")) as router,
        running_edge(edge_settings(server, router.url, **changes)) as client,
    ):
        async with asyncio.timeout(10):
            await client.edge.app[GRANT_CHANNEL].opened.wait()
        yield client, router
