"""All that is laid out before any process of a stack runs; a second time it changes next to nothing."""

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from gateway_local import apt, interpreter
from gateway_local.command import Command, inherited_environment
from gateway_local.environments import ensure_environment, python_of
from gateway_local.failure import SetupFailed
from gateway_local.first_steps import make_secrets
from gateway_local.layout import CHECKOUT, PACKAGES, Home
from gateway_local.ports import Ports, assign_and_remember
from gateway_local.postgres_install import install_server, server_folder
from gateway_local.private_file import read_json
from gateway_local.progress import tell
from gateway_local.rabbitmq import PROGRAMS, RabbitServer
from gateway_local.services import Services
from gateway_local.stack import Stack

ENDING_S = 15.0
POLL_S = 0.1
LARGEST_LOG_BYTES = 64 * 1024 * 1024


def make_home(home: Home) -> None:
    """Raises SetupFailed when the state folder is, or would be, somebody else's."""
    folder = home.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupFailed(f"{folder} cannot be made: {error.strerror}. Set AGENT_GATEWAY_HOME to another.") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        owner = folder.owner()
        raise SetupFailed(f"{folder} belongs to {owner}. Run this as {owner}, or set AGENT_GATEWAY_HOME to another.")


def prepare(home: Home, environ: Mapping[str, str]) -> None:
    """Environments, certificates, secrets, ports and the servers' folders. Raises SetupFailed."""
    tell(interpreter.told())
    for folder in (home.logs, home.journal):
        folder.mkdir(mode=0o700, exist_ok=True)
    for package in PACKAGES.values():
        ensure_environment(package)
    ensure_rabbitmq()
    issue_certificates(home)
    make_secrets(home)
    _assign_ports(home, environ)
    _put_large_logs_aside(home.logs)
    stack = planned_stack(home, environ)
    stack.rabbitmq.prepare()
    if stack.postgres.prepare(home.certificates):
        tell(f"new PostgreSQL {stack.postgres.binaries.major} cluster in {stack.postgres.folder}")
        home.keys.unlink(missing_ok=True)  # keys of a database that is gone


def planned_stack(home: Home, environ: Mapping[str, str]) -> Stack:
    """The stack that was prepared, not running yet."""
    ports = Ports(**read_json(home.ports))
    return Stack(
        home,
        Services(home, ports, environ),
        install_server(server_folder(home), ports.postgres),
        RabbitServer(home.rabbitmq, home.certificates, ports.rabbitmq, ports.epmd, ports.rabbitmq_dist),
    )


def ensure_rabbitmq() -> None:
    if not (PROGRAMS / "rabbitmq-server").exists():
        apt.install("rabbitmq-server", needed_for="RabbitMQ", service="rabbitmq-server")


def issue_certificates(home: Home) -> None:
    arguments = ("-m", "gateway_authority", "issue", "--directory", str(home.certificates))
    python = str(python_of(PACKAGES["authority"]))
    Command((python, *arguments), inherited_environment(os.environ), CHECKOUT).run()


def _assign_ports(home: Home, environ: Mapping[str, str]) -> None:
    """A run that was killed left run.json, and its processes may still be ending: their ports come free in a moment."""
    deadline_s = time.monotonic() + (ENDING_S if home.run_file.exists() else 0)
    while True:
        try:
            assign_and_remember(environ, home.ports)
            return
        except SetupFailed:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(POLL_S)


def _put_large_logs_aside(folder: Path) -> None:
    for log in folder.glob("*.log"):
        if log.stat().st_size > LARGEST_LOG_BYTES:
            shutil.move(log, log.with_suffix(".log.1"))
