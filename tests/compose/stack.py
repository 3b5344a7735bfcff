"""A compose project of its own: other name, image tag, ports and credentials folder than a user's."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.ports import free_ports

ROOT = Path(__file__).parents[2]
BUILD_TIMEOUT_S = 900
COMMAND_TIMEOUT_S = 300
PORTS = ("EDGE_PORT", "EDGE_OPS_PORT", "ROUTER_OPS_PORT", "BILLING_OPS_PORT", "POSTGRES_PORT")
PROVIDER_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "META_API_KEY")
SERVICES = ("edge", "router", "billing", "rabbitmq", "postgres", "simulator")
"""The containers that stay; the others are steps that end."""


@dataclass(frozen=True)
class ComposeStack:
    home: Path
    environ: Mapping[str, str] = field(repr=False)

    @classmethod
    def described(cls, home: Path) -> "ComposeStack":
        """Nothing runs yet. Provider settings of the caller's own shell, or of a `.env`, do not count."""
        project = f"agent-gateway-test-{os.getpid()}"
        ports = {name: str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
        environ = {
            name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY_FILE", "_BASE_URL"))
        }
        environ |= ports | dict.fromkeys(PROVIDER_KEYS, "")
        environ |= {"COMPOSE_PROJECT_NAME": project, "COMPOSE_PROFILES": "", "GATEWAY_TAG": "test"}
        environ |= {"AGENT_GATEWAY_HOME": str(home), "DRAIN_S": "5", "STOP_GRACE_PERIOD": "20s"}
        return cls(home, environ)

    def compose(self, *arguments: str, timeout_s: float = COMMAND_TIMEOUT_S, given: str = "") -> str:
        return self.run("docker", "compose", *arguments, timeout_s=timeout_s, given=given)

    def run(self, *command: str, timeout_s: float = COMMAND_TIMEOUT_S, given: str = "") -> str:
        """Standard output, `given` this on the standard input; what went wrong is the failure's text."""
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environ,
            input=given,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def python(self, service: str, program: str) -> str:
        """Runs a program inside the service's container, as its user."""
        return self.compose("exec", "-T", service, "python", "-c", program)

    def inspect(self, service: str) -> dict[str, Any]:
        container = self.compose("ps", "--all", "--quiet", service).strip()
        details: dict[str, Any] = json.loads(self.run("docker", "inspect", container))[0]
        return details

    @property
    def credentials(self) -> dict[str, Any]:
        """What `make compose-credentials` wrote."""
        credentials: dict[str, Any] = json.loads((self.home / "compose" / "credentials.json").read_text())
        return credentials

    def rows(self, sql: str) -> list[str]:
        """Read from the host with `psql`, as the billing reader; columns are separated by `|`."""
        dsn = self.credentials["postgres_dsn"]
        return self.run("psql", "-X", "--no-align", "--tuples-only", dsn, "--command", sql).splitlines()

    def is_ready(self) -> bool:
        return all(status_of(f"{url}/ready") == 200 for url in self.credentials["ops_urls"].values())


def status_of(url: str) -> int:
    """0 when nothing answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return int(error.code)
    except OSError:
        return 0


def wait_until(condition: Callable[[], bool], *, within_s: float, what: str) -> None:
    """Waits for a condition that another process brings about."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.2)
