"""The provider and the load generator: C, compiled when the rig starts, so that neither stands in the gateway's way."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway_local import apt
from gateway_local.command import Command, inherited_environment

SOURCES = Path(__file__).parent
FLAGS = ("-O2", "-Wall", "-Wextra")


def compiled(name: str, folder: Path) -> Path:
    """The program `name`, compiled into `folder` when its sources are newer. Raises SetupFailed."""
    program = folder / name
    sources = [SOURCES / f"{name}.c", SOURCES / "http.h"]
    if program.exists() and program.stat().st_mtime > max(source.stat().st_mtime for source in sources):
        return program
    if shutil.which("gcc") is None:
        apt.install("gcc", needed_for="A C compiler for the load rig")
        apt.install("libc6-dev", needed_for="The C library's headers for the load rig")
    folder.mkdir(parents=True, exist_ok=True)
    draft = program.with_suffix(f".{os.getpid()}")
    _run("gcc", *FLAGS, "-o", str(draft), str(sources[0]))
    draft.replace(program)
    return program


@contextmanager
def provider(folder: Path) -> Iterator[int]:
    """The port of a fake provider that runs until the end of the block."""
    command = Command((str(compiled("provider", folder)),), inherited_environment(os.environ), folder)
    process = subprocess.Popen(command.arguments, stdout=subprocess.PIPE, **command.options())
    try:
        assert process.stdout
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate()


def _run(*arguments: str) -> None:
    Command(arguments, inherited_environment(os.environ), SOURCES).run()
