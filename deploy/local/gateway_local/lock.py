"""`make lock`: every lock file anew, with hashes, naming no index, from releases that had time to be looked at."""

import tomllib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from gateway_local.command import Command, inherited_environment
from gateway_local.layout import CHECKOUT, PACKAGES

REQUIREMENTS = CHECKOUT / "requirements"
MINIMUM_AGE = timedelta(days=14)
_OURS = "agent-gateway-"


def write_locks(uv: Path, environ: dict[str, str], *, now: datetime) -> list[Path]:
    """Returns the files written. A project's own dependencies on ours stand for what ours depend on."""
    inputs = {package.lock: _dependencies(package.imports) for package in PACKAGES.values()}
    everything = _dependencies(folder for package in PACKAGES.values() for folder in package.imports)
    for name, more in (("dev", everything), ("bootstrap", []), ("postgres", [])):
        inputs[REQUIREMENTS / f"{name}.txt"] = [*(REQUIREMENTS / f"{name}.in").read_text().splitlines(), *more]
    for output, lines in inputs.items():
        _compile(uv, environ, lines, output, newest=now - MINIMUM_AGE)
    return list(inputs)


def _dependencies(folders: Iterable[Path]) -> list[str]:
    projects = (tomllib.loads((folder / "pyproject.toml").read_text())["project"] for folder in folders)
    names = {name for project in projects for name in project["dependencies"]}
    return sorted(name for name in names if not name.startswith(_OURS))


def _compile(uv: Path, environ: dict[str, str], lines: list[str], output: Path, *, newest: datetime) -> None:
    with TemporaryDirectory() as folder:
        source = Path(folder) / "requirements.in"
        source.write_text("\n".join(lines) + "\n")
        flags = [
            "--universal", "--python-version=3.11", "--generate-hashes", "--no-header", "--no-annotate", "--upgrade",
            f"--exclude-newer={newest.astimezone(UTC):%Y-%m-%dT00:00:00Z}",
            f"--constraint={REQUIREMENTS / 'constraints.txt'}",
            f"--output-file={output}",
        ]  # fmt: skip
        Command(
            (str(uv), "pip", "compile", "--quiet", *flags, str(source)), inherited_environment(environ), CHECKOUT
        ).run()
