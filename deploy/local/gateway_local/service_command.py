"""`gateway edge|router|billing COMMAND ...`: a command of one service, in the stack that runs.

It has the service's own Python, settings and certificate, or those of the database's owner where it needs them.
"""

import os
import shlex
import sys
from collections.abc import Sequence
from typing import NoReturn

from gateway_local.command import Command
from gateway_local.control import supervisor_pid
from gateway_local.failure import SetupFailed
from gateway_local.layout import CHECKOUT, Home
from gateway_local.ports import Ports
from gateway_local.private_file import read_json
from gateway_local.services import Services

OWNERS_COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "edge": (("migrate",), ("tenants", "end-user-ids")),
    "router": (("migrate",),),
    "billing": (("migrate",), ("erase",), ("retention",)),
}
"""What each service's run-time role may not do, by the first words of the command."""

_USAGE = """\
usage: gateway edge|router|billing COMMAND ...

Runs a command of one service in the stack that runs in {folder},
with that service's settings and certificate: gateway billing reconcile

  gateway edge|router|billing --help    the commands of a service
  AGENT_GATEWAY_HOME=folder gateway ... the same in another stack
"""
_WRONG_USE = 2

_PROGRAM = """\
#!/bin/sh
# A command of one service of this stack, `gateway billing reconcile`; made anew by every start.
home={home}
exec env PYTHONPATH={packages} AGENT_GATEWAY_HOME="${{AGENT_GATEWAY_HOME:-$home}}" \\
  {python} -P -m gateway_local.service_command "$@"
"""


def write_program(home: Home) -> None:
    """`bin/gateway` of a stack, which needs nothing from its caller's environment."""
    home.program.parent.mkdir(exist_ok=True)
    places = {"home": home.folder, "packages": CHECKOUT / "deploy/local", "python": sys.executable}
    draft = home.program.with_name(f".gateway.{os.getpid()}")
    draft.write_text(_PROGRAM.format(**{name: shlex.quote(str(place)) for name, place in places.items()}))
    draft.chmod(0o755)
    draft.replace(home.program)


def needs_owner(service: str, arguments: Sequence[str]) -> bool:
    return any(tuple(arguments[: len(words)]) == words for words in OWNERS_COMMANDS[service])


def service_command(services: Services, service: str, arguments: Sequence[str]) -> Command:
    """What to run. Raises SetupFailed for `serve`, which the stack does already."""
    if not arguments or arguments[0] == "serve":
        raise SetupFailed(f"The stack runs the {service} already. `gateway {service} --help` lists its commands.")
    if needs_owner(service, arguments):
        return services.owner_command(service, *arguments)
    return services.own_command(service, *arguments)


def main(arguments: Sequence[str]) -> int:
    """Becomes the service's command, in the caller's folder and on its terminal; returns only when there is none."""
    home = Home.of(os.environ)
    if not arguments or arguments[0] not in OWNERS_COMMANDS:
        is_help = bool(arguments) and arguments[0] in ("-h", "--help")
        (sys.stdout if is_help else sys.stderr).write(_USAGE.format(folder=home.folder))
        return 0 if is_help else _WRONG_USE
    try:
        command = service_command(_running(home), arguments[0], arguments[1:])
    except SetupFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return _become(command)


def _become(command: Command) -> NoReturn:
    # -m looks for modules in the caller's folder first, unless it is told not to
    environment = {**command.environment, "PYTHONSAFEPATH": "1"}
    os.execve(command.arguments[0], command.arguments, environment)  # noqa: S606 - it needs no shell


def _running(home: Home) -> Services:
    """Raises SetupFailed where no stack runs, or one that is not ours."""
    if supervisor_pid(home) is None:
        raise SetupFailed(f"No stack runs in {home.folder}. Start it with `make start`, or set AGENT_GATEWAY_HOME.")
    if not os.access(home.secrets, os.R_OK | os.X_OK):
        owner = home.secrets.owner()
        raise SetupFailed(f"The stack in {home.folder} belongs to {owner}. Run this as {owner}.")
    return Services(home, Ports(**read_json(home.ports)), os.environ)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
