"""Peers from PyPI and npm, each in an environment of its own, stamped with what it was made from."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from gateway_local.command import Command, inherited_environment
from gateway_local.environments import ensure_uv
from gateway_local.failure import SetupFailed
from gateway_local.progress import tell

from bench.rig import FOLDER, Absent

INSTALL_TIMEOUT_S = 600


def from_pypi(name: str, requirement: str) -> Path:
    """The folder of the environment's programs. Raises Absent."""

    def install(folder: Path) -> None:
        uv = str(ensure_uv())
        _run(folder, uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        _run(folder, uv, "pip", "install", "--quiet", "--python", str(folder / "bin/python"), requirement)

    return _installed(name, requirement, install) / "bin"


def from_npm(name: str, requirement: str) -> Path:
    """The folder that has `node_modules`. Raises Absent."""
    if shutil.which("npm") is None:
        raise Absent("it needs node and npm, and there is no npm")
    arguments = ("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix")
    return _installed(name, requirement, lambda folder: _run(folder, *arguments, str(folder), requirement))


def _installed(name: str, requirement: str, install: Callable[[Path], None]) -> Path:
    folder = FOLDER / "peers" / name
    stamp = folder / "stamp"
    if not stamp.exists() or stamp.read_text() != requirement:
        tell(f"installing {requirement}")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            install(folder)
        except SetupFailed as error:
            raise Absent(f"{requirement} could not be installed: {str(error).splitlines()[-1]}") from error
        stamp.write_text(requirement)
    return folder


def _run(folder: Path, *arguments: str) -> None:
    Command(arguments, inherited_environment(os.environ), folder).run(timeout_s=INSTALL_TIMEOUT_S)
