"""The services of the stack: which environment each gets. Provider keys reach the router and nobody else."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from gateway_local.command import Command, inherited_environment
from gateway_local.environments import python_of
from gateway_local.layout import CHECKOUT, PACKAGES, Home
from gateway_local.ports import Ports

PROVIDER_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "META_API_KEY")
DRAIN_S = 10
"""On one's own machine a stop does not wait for the longest call, unless DRAIN_S says so."""


@dataclass(frozen=True, slots=True)
class Services:
    """Builds the commands of one stack. `environ` is the caller's; what it sets for a service is passed on."""

    home: Home
    ports: Ports
    environ: Mapping[str, str]

    @property
    def is_simulated(self) -> bool:
        """Whether no provider key is set, so that the simulator answers under the providers' model names."""
        return not any(self.environ.get(name) or self.environ.get(f"{name}_FILE") for name in PROVIDER_KEYS)

    @property
    def simulator_address(self) -> str:
        return f"127.0.0.1:{self.ports.simulator}"

    def edge(self) -> Command:
        return self._serve("edge", self._edge_settings())

    def edge_command(self, *arguments: str) -> Command:
        """A one-shot command of the edge with the owner's rights: migrations and keys."""
        settings = {**self._edge_settings(), **self._identity("operator"), "POSTGRES_DSN": self.dsn("operator")}
        return self._python("edge", settings, *arguments)

    def router(self) -> Command:
        settings = self._router_settings()
        if self.is_simulated:
            allowed = self.environ.get("EGRESS_ALLOW_HOSTS")
            settings["SIMULATOR_URL"] = f"http://{self.simulator_address}"
            settings["EGRESS_ALLOW_HOSTS"] = ",".join(filter(None, [allowed, self.simulator_address]))
        return self._serve("router", settings)

    def router_command(self, *arguments: str) -> Command:
        """A one-shot command of the router with the owner's rights: migrations."""
        settings = {**self._identity("operator"), "POSTGRES_DSN": self.dsn("operator")}
        return self._python("router", settings, *arguments)

    def billing(self) -> Command:
        settings = {**self._billing_settings("billing"), "AMQP_URL": self._amqp_url}
        return self._serve("billing", settings)

    def billing_command(self, *arguments: str) -> Command:
        return self._python("billing", self._billing_settings("operator"), *arguments)

    def own_command(self, service: str, *arguments: str) -> Command:
        """A one-shot command of edge, router or billing with the service's own rights."""
        settings = {
            "edge": self._edge_settings(),
            "router": self._router_settings(),
            "billing": self._billing_settings("billing"),
        }
        return self._python(service, settings[service], *arguments)

    def owner_command(self, service: str, *arguments: str) -> Command:
        """The same with the owner's rights."""
        commands = {"edge": self.edge_command, "router": self.router_command, "billing": self.billing_command}
        return commands[service](*arguments)

    def simulator(self) -> Command:
        return self._python("simulator", {"SIMULATOR_PORT": self.ports.simulator})

    def dsn(self, role: str) -> str:
        return f"postgresql://{role}@localhost:{self.ports.postgres}/gateway"

    def libpq_dsn(self, role: str) -> str:
        """For psql and any other libpq client: it names the certificate files too."""
        files = self.home.certificates
        tls = {
            "sslmode": "verify-full",
            "sslcert": files / f"{role}.pem",
            "sslkey": files / f"{role}.key",
            "sslrootcert": files / "ca.pem",
        }
        return f"{self.dsn(role)}?{urlencode(tls, safe='/', quote_via=quote)}"

    @property
    def _amqp_url(self) -> str:
        return f"amqps://localhost:{self.ports.rabbitmq}/"

    def _edge_settings(self) -> dict[str, object]:
        return {
            **self._identity("edge"),
            "EDGE_PORT": self.ports.edge,
            "EDGE_OPS_PORT": self.ports.edge_ops,
            "ROUTER_URL": f"https://localhost:{self.ports.router}",
            "POSTGRES_DSN": self.dsn("edge"),
            "KEY_PEPPER_FILE": self.home.secrets / "key_pepper",
            "EDGE_PUBLIC_METRICS": self.environ.get("EDGE_PUBLIC_METRICS", 1),  # the port is on loopback
            "DRAIN_NOTICE_S": self.environ.get("DRAIN_NOTICE_S", 0),  # nobody balances load here
        }

    def _router_settings(self) -> dict[str, object]:
        return {
            **self._identity("router"),
            "ROUTER_PORT": self.ports.router,
            "ROUTER_OPS_PORT": self.ports.router_ops,
            "ROUTER_INSTANCE": "local",
            "JOURNAL_DIR": self.home.journal,
            "AMQP_URL": self._amqp_url,
            "POSTGRES_DSN": self.dsn("router"),
            "PROVIDER_KEY_RING_FILE": self.home.secrets / "provider_key_ring",
        }

    def _billing_settings(self, role: str) -> dict[str, object]:
        return {
            **self._identity(role),
            "BILLING_OPS_PORT": self.ports.billing_ops,
            "AMQP_URL": self._amqp_url,
            "POSTGRES_DSN": self.dsn(role),
        }

    def _identity(self, role: str) -> dict[str, object]:
        files = self.home.certificates
        return {
            "TLS_CA_FILE": files / "ca.pem",
            "TLS_CERT_FILE": files / f"{role}.pem",
            "TLS_KEY_FILE": files / f"{role}.key",
        }

    def _serve(self, service: str, settings: Mapping[str, object]) -> Command:
        return self._python(service, {"DRAIN_S": self.environ.get("DRAIN_S", DRAIN_S), **settings})

    def _python(self, service: str, settings: Mapping[str, object], *arguments: str) -> Command:
        package = PACKAGES[service]
        inherited = _without_foreign_secrets(inherited_environment(self.environ), service)
        for name in settings:  # ours win over what a shell happens to hold, in either spelling
            inherited.pop(name, None)
            inherited.pop(name.removesuffix("_FILE"), None)
            inherited.pop(f"{name}_FILE", None)
        environment = {**inherited, **{name: str(value) for name, value in settings.items()}}
        return Command((str(python_of(package)), "-m", f"gateway_{service}", *arguments), environment, CHECKOUT)


def _without_foreign_secrets(environment: Mapping[str, str], service: str) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if service == "router" or not name.removesuffix("_FILE").endswith("_API_KEY")
    }
