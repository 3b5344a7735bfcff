"""Servers that all tests of a session share; each is started when the first test asks for it."""

import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import HealthCheck, settings

from tests.servers import Certificates, Postgres, RabbitMq, private_folder, remove


def pytest_configure() -> None:
    """A suite that is timed out (SIGTERM) ends its servers, as after Ctrl-C.

    Property tests try the same values each time, however busy the machine; others with `--hypothesis-profile=default`.
    """
    settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("steady")

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    folder = private_folder()
    yield folder
    remove(folder)


@pytest.fixture(scope="session")
def certificates(servers_folder: Path) -> Certificates:
    """A leaf for every role, good for two days."""
    return Certificates.issue(servers_folder / "certificates")


@pytest.fixture(scope="session")
def postgres_server(servers_folder: Path, certificates: Certificates) -> Iterator[Postgres]:
    """A running Postgres with the roles and the database, not migrated. Who kills it starts it again."""
    server = Postgres(servers_folder / "postgres", certificates)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def rabbitmq_server(servers_folder: Path, certificates: Certificates) -> Iterator[RabbitMq]:
    """A running RabbitMQ with the users and nothing declared. Who kills it starts it again."""
    server = RabbitMq(servers_folder / "rabbitmq", certificates)
    server.start()
    yield server
    server.stop()
