"""Where things are: in the checkout, and in the state folder of one stack."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
TOOLS = CHECKOUT / ".local"
"""Environments and their tools: of the checkout, shared by all stacks that run from it."""


@dataclass(frozen=True, slots=True)
class Package:
    """One of our packages: `folder` has its pyproject.toml, `imports` the folders of ours on its path."""

    name: str
    folder: Path
    imports: tuple[Path, ...]

    @property
    def lock(self) -> Path:
        return self.folder / "requirements.txt"


def _package(name: str, folder: str, *, with_shared: bool) -> Package:
    path = CHECKOUT / folder
    return Package(name, path, (path, CHECKOUT / "shared") if with_shared else (path,))


PACKAGES = {
    package.name: package
    for package in (
        _package("edge", "services/edge", with_shared=True),
        _package("router", "services/router", with_shared=True),
        _package("billing", "services/billing", with_shared=True),
        _package("simulator", "simulator", with_shared=False),
        _package("authority", "deploy/authority", with_shared=False),
    )
}
DEVELOPMENT = Package(
    "dev",
    CHECKOUT / "requirements",
    (*(package.folder for package in PACKAGES.values()), CHECKOUT / "shared", CHECKOUT / "deploy/local"),
)


@dataclass(frozen=True, slots=True)
class Home:
    """The state folder of one stack (`.local`, or AGENT_GATEWAY_HOME): data, certificates, secrets, logs."""

    folder: Path

    @property
    def certificates(self) -> Path:
        return self.folder / "certificates"

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def keys(self) -> Path:
        return self.folder / "keys.json"

    @property
    def program(self) -> Path:
        """Runs a command of one service, for who operates this stack."""
        return self.folder / "bin/gateway"

    @property
    def run_file(self) -> Path:
        return self.folder / "run.json"

    @property
    def ports(self) -> Path:
        return self.folder / "ports.json"

    @property
    def rabbitmq(self) -> Path:
        return self.folder / "rabbitmq"

    @property
    def outcome(self) -> Path:
        """How the last start ended: `state` is ready or failed, then with `problem`."""
        return self.folder / "start.json"

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Home":
        return cls(Path(os.path.abspath(environ.get("AGENT_GATEWAY_HOME") or TOOLS)))  # noqa: PTH100 - links are kept
