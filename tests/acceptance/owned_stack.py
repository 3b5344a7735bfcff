"""A whole gateway whose every process is the test's own: killed, paused, kept down and started as a test likes.

Router and billing reach the broker, and billing its database, through proxies that can be made to fail. The services
run from the development environment, with the settings that the local runner gives them.
"""

import os
import shutil
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway_local.command import Command
from gateway_local.first_steps import import_prices, make_secrets, migrate, seed_keys
from gateway_local.layout import Home
from gateway_local.ports import Ports
from gateway_local.services import Services

from tests.acceptance.faulty_proxy import FaultyProxy
from tests.ports import free_ports
from tests.servers import Certificates, Postgres, RabbitMq, RunningServer, private_folder, remove

GENEROUS = {"REQUESTS_PER_MINUTE": "600000", "CONCURRENT_REQUESTS": "1000", "DRAIN_S": "10"}
SERVICES = ("router", "billing", "edge")


@dataclass(frozen=True)
class Proxies:
    """Named by who reaches what through them."""

    router_to_broker: FaultyProxy
    billing_to_broker: FaultyProxy
    billing_to_database: FaultyProxy


class _Developing(Services):
    """Runs the services with the development environment's Python, which has all of them."""

    def _python(self, service: str, settings: Mapping[str, object], *arguments: str) -> Command:
        command = super()._python(service, settings, *arguments)
        return replace(command, arguments=(sys.executable, *command.arguments[1:]))


class OwnedStack:
    """`settings[service]` are variables for that service's next start, on top of the runner's."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.certificates = Certificates.issue(self.home.certificates)
        for part in (self.home.logs, self.home.journal):
            part.mkdir(mode=0o700)
        make_secrets(self.home)
        self.postgres = Postgres(folder / "postgres", self.certificates)
        self.rabbitmq = RabbitMq(folder / "rabbitmq", self.certificates)
        edge, edge_ops, router_ops, billing_ops, router, simulator = free_ports(6)
        # epmd and rabbitmq_dist are the server's own affair here
        self.ports = Ports(
            edge, edge_ops, router_ops, billing_ops, router, self.postgres.port, self.rabbitmq.port, 0, 0, simulator
        )
        self.proxies = Proxies(*(FaultyProxy(port) for port in (self.ports.rabbitmq,) * 2 + (self.ports.postgres,)))
        self.settings: dict[str, dict[str, str]] = {service: {} for service in SERVICES}
        self.keys: dict[str, str] = {}
        self.simulator = self._server("simulator", f"http://127.0.0.1:{simulator}/health")
        self.edge, self.router, self.billing = (
            self._server(service, f"{self.ops_url(service)}/ready") for service in ("edge", "router", "billing")
        )

    @property
    def edge_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.edge}"

    @property
    def simulator_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.simulator}"

    @property
    def run(self) -> Mapping[str, Any]:
        """What a `run.json` would say."""
        services = self._services(self.ports)
        return {
            "edge_url": self.edge_url,
            **self.keys,
            "postgres_dsn": services.libpq_dsn("billing_reader"),
            "postgres_owner_dsn": services.libpq_dsn("operator"),
        }

    def ops_url(self, service: str) -> str:
        return f"http://127.0.0.1:{getattr(self.ports, f'{service}_ops')}"

    def start(self) -> None:
        for server in (self.postgres, self.rabbitmq, self.simulator):
            server.launch()
        self.postgres.wait_until_ready()
        self.prepare_database()
        services = (self.router, self.billing, self.edge)
        for server in services:
            server.launch()
        for server in (self.rabbitmq, self.simulator, *services):
            server.wait_until_ready()
        self.rabbitmq.sync()

    def prepare_database(self) -> None:
        """Migrations, prices, keys: of an empty database, or of one that was wiped."""
        services = self._services(self.ports)
        migrate(services)
        import_prices(services, self.home.folder)
        self.keys = seed_keys(services, self.home)

    def command(self, service: str, *arguments: str) -> str:
        """Runs a one-shot command with the service's own settings and identity; what it printed."""
        command = self._command(service)
        return replace(command, arguments=(*command.arguments, *arguments)).run()

    def owner_command(self, service: str, *arguments: str) -> str:
        """Runs a one-shot command as the database's owner; what it printed."""
        command: Command = getattr(self._services(self.ports), f"{service}_command")(*arguments)
        return command.run()

    def stop(self) -> None:
        for server in (self.edge, self.router, self.billing, self.simulator, self.rabbitmq, self.postgres):
            server.stop()
        for proxy in (
            self.proxies.router_to_broker,
            self.proxies.billing_to_broker,
            self.proxies.billing_to_database,
        ):
            proxy.close()

    def _server(self, service: str, ready_url: str) -> RunningServer:
        log = self.home.logs / f"{service}.log"
        return RunningServer(service, lambda: self._command(service), lambda _: _answers_200(ready_url), log)

    def _command(self, service: str) -> Command:
        to_broker = {"router": self.proxies.router_to_broker, "billing": self.proxies.billing_to_broker}
        ports = self.ports
        if service in to_broker:
            ports = replace(ports, rabbitmq=to_broker[service].port)
        if service == "billing":
            ports = replace(ports, postgres=self.proxies.billing_to_database.port)
        command: Command = getattr(self._services(ports), service)()
        return replace(command, environment={**command.environment, **self.settings.get(service, {})})

    def _services(self, ports: Ports) -> Services:
        return _Developing(self.home, ports, {**_without_providers(os.environ), **GENEROUS})


@contextmanager
def owned_stack(**settings: Mapping[str, str]) -> Iterator[OwnedStack]:
    """Ends with the block, data included; where KEEP_LOGS names a folder, the logs stay there.

    `settings` are variables by service: `router={"DRAIN_S": "1"}`.
    """
    folder = private_folder()
    with ExitStack() as ends:
        ends.callback(remove, folder)
        stack = OwnedStack(folder)
        for service, variables in settings.items():
            stack.settings[service].update(variables)
        ends.callback(_keep_logs, stack.home)
        ends.callback(stack.stop)
        stack.start()
        yield stack


def _without_providers(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.endswith(("_API_KEY", "_BASE_URL"))}


def _answers_200(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=3):
            return True
    except OSError:
        return False


def _keep_logs(home: Home) -> None:
    if keep := os.environ.get("KEEP_LOGS"):
        shutil.copytree(home.logs, Path(keep) / home.folder.name, dirs_exist_ok=True)
