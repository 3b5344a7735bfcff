"""A private RabbitMQ node: mutual TLS only, and every port of it, epmd's and distribution's too, on loopback."""

import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from gateway_local.command import Command, inherited_environment

CONFIGURATION = Path(__file__).parents[2] / "rabbitmq"
PROGRAMS = Path("/usr/lib/rabbitmq/bin")
"""Not /usr/sbin, whose wrappers change the user and lose the environment."""

NODE_NAME = "gateway@localhost"
_AMQP_HEADER = b"AMQP\x00\x00\x09\x01"
_PROBE_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class RabbitServer:
    """`folder` holds the node's data, cookie and configuration; `certificates` is the issued folder."""

    folder: Path
    certificates: Path
    port: int
    epmd_port: int
    distribution_port: int

    def prepare(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / "rabbitmq.conf").write_text(
            (CONFIGURATION / "rabbitmq.conf").read_text()
            + f"""
listeners.ssl.default = 127.0.0.1:{self.port}
ssl_options.cacertfile = {self.certificates / "ca.pem"}
ssl_options.certfile = {self.certificates / "rabbitmq.pem"}
ssl_options.keyfile = {self.certificates / "rabbitmq.key"}
load_definitions = {CONFIGURATION / "definitions.json"}
"""
        )
        (self.folder / "enabled_plugins").write_text((CONFIGURATION / "enabled_plugins").read_text())

    def epmd_command(self) -> Command:
        """The Erlang port mapper, in the foreground: one started by the node itself would outlive it."""
        arguments = ("epmd", "-address", "127.0.0.1", "-port", str(self.epmd_port))
        return Command(arguments, self._environment(), self.folder)

    def command(self) -> Command:
        return Command((str(PROGRAMS / "rabbitmq-server"),), self._environment(), self.folder)

    def control_command(self, *arguments: str) -> Command:
        return Command((str(PROGRAMS / "rabbitmqctl"), *arguments), self._environment(), self.folder)

    def is_ready(self) -> bool:
        """Whether the broker answers AMQP's greeting over TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.certificates / "ca.pem")
        context.load_cert_chain(self.certificates / "billing.pem", self.certificates / "billing.key")
        try:
            with (
                socket.create_connection(("127.0.0.1", self.port), timeout=_PROBE_TIMEOUT_S) as connection,
                context.wrap_socket(connection, server_hostname="localhost") as tls,
            ):
                tls.sendall(_AMQP_HEADER)
                return tls.recv(1) == b"\x01"  # a method frame: connection.start
        except OSError:
            return False

    def _environment(self) -> dict[str, str]:
        inherited = inherited_environment(os.environ)
        return {
            **{name: value for name, value in inherited.items() if not name.startswith(("RABBITMQ_", "ERL_"))},
            "HOME": str(self.folder),  # of the cookie
            "RABBITMQ_NODENAME": NODE_NAME,
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RUNNING_UNDER_SYSTEMD": "true",  # the script then becomes the server, so its pid is the server's
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_CRASH_DUMP": str(self.folder / "erl_crash.dump"),
        }
