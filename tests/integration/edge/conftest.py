"""A migrated database, and one key of each kind."""

import asyncio
from dataclasses import dataclass

import pytest

from gateway_shared import migrations, postgres
from tests.integration.edge.running_edge import make_key
from tests.servers import Postgres


@pytest.fixture(scope="session")
def edge_database(postgres_server: Postgres) -> Postgres:
    async def migrate() -> None:
        connection = await postgres.connect(
            postgres_server.dsn("operator"), postgres_server.tls_files("operator"), application_name="tests"
        )
        await migrations.migrate(connection, schema="edge", package="gateway_edge")
        await connection.close()

    asyncio.run(migrate())
    return postgres_server


@dataclass(frozen=True)
class Keys:
    gw: str
    langchain: str
    admin: str


@pytest.fixture(scope="session")
def api_keys(edge_database: Postgres) -> Keys:
    async def make() -> Keys:
        return Keys(*[(await make_key(edge_database, kind))[0] for kind in ("gw", "langchain", "admin")])

    return asyncio.run(make())
