"""Agent Gateway itself, by its own `make start`: authentication, limits, mTLS and the durable journal all on.

Limits are on and out of the way. The content filter does not exist yet.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

from gateway_local.command import inherited_environment, tail_of
from gateway_local.layout import CHECKOUT
from gateway_local.ports import Ports
from gateway_local.services import PROVIDER_KEYS

from bench.peers.direct import MODELS
from bench.peers.nginx import tls_before
from bench.rig import FOLDER, Absent, Rig, Target, free_port

NAME = "Agent Gateway"
START_TIMEOUT_S = 400
_PORTS = len(fields(Ports))


@contextmanager
def gateway(rig: Rig) -> Iterator[Target]:
    with running(rig, NAME, CHECKOUT, rig.folder / "homes/tree") as target:
        yield target


@contextmanager
def gateway_with(rig: Rig, assignments: str) -> Iterator[Target]:
    """The same with `NAME=VALUE,...` in its environment: what a setting costs."""
    with running(rig, f"{NAME}, {assignments}", CHECKOUT, _home(rig, assignments), _settings(assignments)) as target:
        yield target


@contextmanager
def gateway_over_tls(rig: Rig, assignments: str = "") -> Iterator[Target]:
    """The same, calling the provider over TLS; what it costs the provider's side counts for nobody."""
    name = ", ".join(filter(None, (NAME, "provider over TLS", assignments)))
    with tls_before(rig) as port:
        address = f"localhost:{port}"
        settings = {
            "EGRESS_ALLOW_HOSTS": f"{address},127.0.0.1:{rig.provider_port}",
            "OPENAI_BASE_URL": f"https://{address}/openai/v1",
            "SSL_CERT_FILE": str(rig.certificates / "ca.pem"),  # the system's authorities, for this stack
            **_settings(assignments),
        }
        with running(rig, name, CHECKOUT, _home(rig, f"tls {assignments}"), settings) as target:
            yield replace(target, models={"openai": MODELS["openai"]})


def _settings(assignments: str) -> dict[str, str]:
    return dict(assignment.split("=", 1) for assignment in assignments.split(",") if assignment)


def _home(rig: Rig, assignments: str) -> Path:
    return rig.folder / "homes" / re.sub(r"\W", "-", assignments)


@contextmanager
def running(
    rig: Rig, name: str, checkout: Path, home: Path, settings: Mapping[str, str] | None = None
) -> Iterator[Target]:
    """The stack of `checkout` with its data in `home`; all but its logs is gone afterwards.

    Raises Absent with what `make start` said.
    """
    port_base = free_port(_PORTS)
    environment = {**_environment(rig, home, port_base), **(settings or {})}
    try:
        _make("start", checkout, environment)
        run = json.loads((home / "run.json").read_text())
        yield Target(
            name,
            port_base,
            {"edge": run["pids"]["edge"], "router": run["pids"]["router"]},
            headers={"Authorization": f"Bearer {run['standard_key']}"},
            models=MODELS,
            behind={part: run["pids"][part] for part in ("billing", "rabbitmq", "postgres")},
        )
    finally:
        _make("stop", checkout, environment)
        _keep_logs(home, name)
        _make("clean", checkout, environment)


def _keep_logs(home: Path, name: str) -> None:
    """What a stack said in its last run stays when its data goes."""
    kept = FOLDER / "logs" / re.sub(r"\W+", "-", name).lower()
    shutil.rmtree(kept, ignore_errors=True)
    if (home / "logs").exists():
        shutil.copytree(home / "logs", kept)


def _environment(rig: Rig, home: Path, port_base: int) -> dict[str, str]:
    own = {name for key in PROVIDER_KEYS for name in (key, f"{key}_FILE", key.replace("_API_KEY", "_BASE_URL"))}
    environment = {name: value for name, value in inherited_environment(os.environ).items() if name not in own}
    provider = f"127.0.0.1:{rig.provider_port}"
    return {
        **environment,
        "AGENT_GATEWAY_HOME": str(home),
        "PORT_BASE": str(port_base),
        "REQUESTS_PER_MINUTE": "100000000",
        "CONCURRENT_REQUESTS": "100000",
        "EGRESS_ALLOW_HOSTS": provider,
        "OPENAI_API_KEY": "sk-bench",
        "OPENAI_BASE_URL": f"http://{provider}/openai/v1",
        "ANTHROPIC_API_KEY": "sk-ant-bench",
        "ANTHROPIC_BASE_URL": f"http://{provider}/anthropic",
        "GOOGLE_API_KEY": "bench",
        "GOOGLE_BASE_URL": f"http://{provider}/google",
    }


def _make(goal: str, checkout: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", goal],
        cwd=checkout,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise Absent(f"`make {goal}` failed: {tail_of(done.stdout, 4)}")
