"""`python3 -m gateway_local COMMAND`, which is what the Makefile calls."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType

from gateway_local.control import held, start, stop, supervisor_lock, supervisor_pid
from gateway_local.environments import ensure_environment, ensure_uv
from gateway_local.failure import SetupFailed
from gateway_local.follow import follow
from gateway_local.greeting import greeting
from gateway_local.layout import DEVELOPMENT, Home
from gateway_local.lock import write_locks
from gateway_local.prepare import ensure_rabbitmq, planned_stack
from gateway_local.private_file import read_json, write_json
from gateway_local.progress import tell
from gateway_local.remove import remove_data
from gateway_local.service_command import write_program
from gateway_local.supervisor import supervise

INTERRUPTED = 130


def run_command(home: Home) -> None:
    """In the foreground: starts, follows the logs, and stops everything on Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        start_command(home)
        tell("following the logs; Ctrl-C stops everything\n")
        follow(home.logs, is_running=lambda: supervisor_pid(home) is not None)
    except KeyboardInterrupt:
        sys.stdout.write("\n")
    finally:
        if stop(home, os.environ):
            tell("stopped; the data is kept")


def start_command(home: Home) -> None:
    start(home, os.environ)
    write_program(home)
    psql = shutil.which("psql") or str(planned_stack(home, os.environ).postgres.binaries.folder / "psql")
    sys.stdout.write(greeting(read_json(home.run_file), os.environ, psql=psql, program=str(home.program)))


def stop_command(home: Home) -> None:
    tell("stopped; the data is kept" if stop(home, os.environ) else "nothing is running")


def clean_command(home: Home) -> None:
    stop(home, os.environ)
    remove_data(home)
    tell("the data is removed")


def supervise_command(home: Home) -> None:
    """What `start` leaves in the background."""
    with held(supervisor_lock(home), content=str(os.getpid())):
        try:
            asyncio.run(supervise(planned_stack(home, os.environ), on_ready=lambda: _ready(home)))
        except* SetupFailed as group:
            problem = "\n".join(str(error) for error in group.exceptions)
            write_json(home.outcome, {"state": "failed", "problem": problem})


def develop_command(home: Home) -> None:
    """The environment of tests and lint, and the servers that tests start."""
    ensure_environment(DEVELOPMENT, DEVELOPMENT.folder / "dev.txt")
    ensure_rabbitmq()


def lock_command(home: Home) -> None:
    for path in write_locks(ensure_uv(), dict(os.environ), now=datetime.now(UTC)):
        tell(f"locked {path}")


COMMANDS: dict[str, Callable[[Home], None]] = {
    "run": run_command,
    "start": start_command,
    "stop": stop_command,
    "clean": clean_command,
    "supervise": supervise_command,
    "develop": develop_command,
    "lock": lock_command,
}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        sys.stderr.write(f"usage: python3 -m gateway_local {'|'.join(COMMANDS)}\n")
        return 2
    try:
        COMMANDS[arguments[0]](Home.of(os.environ))
    except SetupFailed as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _ready(home: Home) -> None:
    tell("every service is ready")
    write_json(home.outcome, {"state": "ready"})


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
