"""One stack: its servers and services as children, what they are told, and what run.json tells about them."""

from collections.abc import Mapping

from gateway_local.child import Child
from gateway_local.command import Command
from gateway_local.layout import Home
from gateway_local.postgres import PostgresServer
from gateway_local.private_file import write_json
from gateway_local.rabbitmq import RabbitServer
from gateway_local.services import Services

SHOWN_PIDS = ("edge", "router", "billing", "postgres", "rabbitmq", "simulator")
STOP_ORDER = (("edge",), ("router",), ("billing", "simulator"), ("rabbitmq",), ("epmd", "postgres"))
"""From the client inwards: what a service hands on while it drains still finds its receiver."""


class Stack:
    """The children by name. `keys` are known once the database is prepared; run.json is written from then on."""

    def __init__(self, home: Home, services: Services, postgres: PostgresServer, rabbitmq: RabbitServer) -> None:
        self.home, self.services, self.postgres, self.rabbitmq = home, services, postgres, rabbitmq
        self.keys: Mapping[str, str] | None = None
        self.children = {name: self._child(name, command) for name, command in self._commands().items()}

    @property
    def ops_urls(self) -> dict[str, str]:
        ports = self.services.ports
        return {
            "edge": f"http://127.0.0.1:{ports.edge_ops}",
            "router": f"http://127.0.0.1:{ports.router_ops}",
            "billing": f"http://127.0.0.1:{ports.billing_ops}",
        }

    def run_report(self) -> dict[str, object]:
        """What run.json says: addresses, keys, data source names for any libpq client, process ids."""
        assert self.keys is not None
        pids = {name: child.pid for name, child in self.children.items()}
        return {
            "edge_url": f"http://127.0.0.1:{self.services.ports.edge}",
            "ops_urls": self.ops_urls,
            **self.keys,
            "postgres_dsn": self.services.libpq_dsn("billing_reader"),
            "postgres_owner_dsn": self.services.libpq_dsn("operator"),
            "pids": {name: pids.get(name) for name in SHOWN_PIDS},
        }

    def write_run_file(self) -> None:
        if self.keys is not None:
            write_json(self.home.run_file, self.run_report())

    def _commands(self) -> dict[str, Command]:
        services = self.services
        commands = {
            "postgres": self.postgres.command(),
            "epmd": self.rabbitmq.epmd_command(),
            "rabbitmq": self.rabbitmq.command(),
            "edge": services.edge(),
            "router": services.router(),
            "billing": services.billing(),
        }
        return {**commands, "simulator": services.simulator()} if services.is_simulated else commands

    def _child(self, name: str, command: Command) -> Child:
        return Child(name, command, self.home.logs / f"{name}.log", self.write_run_file)
