"""A private Postgres: its own cluster, reached over mutual TLS only, as the account that may run it."""

import os
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway_local.account import Account
from gateway_local.command import Command, inherited_environment
from gateway_local.failure import SetupFailed
from gateway_local.postgres_binaries import Binaries

CONFIGURATION = Path(__file__).parents[2] / "postgres"
DATABASE = "gateway"
_CONFIGURATION_FILES = ("postgresql.conf", "pg_hba.conf")


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """`folder` holds the data and copies of all that the server reads; `settings` go on top of the configuration."""

    folder: Path
    binaries: Binaries
    account: Account | None
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def prepare(self, certificates: Path) -> bool:
        """Makes the cluster when there is none (then True), and lays out configuration and certificates anew."""
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        for name in _CONFIGURATION_FILES:
            self._lay(CONFIGURATION / name, name)
        for name in ("ca.pem", "postgres.pem", "postgres.key"):
            self._lay(certificates / name, name)
        if self.data.exists():
            return False
        self._create_cluster()
        return True

    def command(self) -> Command:
        settings = {
            "config_file": self.folder / "postgresql.conf",
            "hba_file": self.folder / "pg_hba.conf",
            "ssl_ca_file": self.folder / "ca.pem",
            "ssl_cert_file": self.folder / "postgres.pem",
            "ssl_key_file": self.folder / "postgres.key",
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            **self.settings,
        }
        flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
        return self._command("postgres", "-D", str(self.data), *flags)

    def is_ready(self, pid: int) -> bool:
        """What pg_ctl looks at: the server writes its state into the last line of its pid file."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _create_cluster(self) -> None:
        """In a draft folder that takes its name when all is done: a start that was cut leaves nothing half made."""
        draft = self.folder / "draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        self._give_away(draft)
        self._command(
            "initdb", "-D", str(draft), "--username=postgres", "--auth=reject", "--encoding=UTF8", "--locale=C",
            "--data-checksums",
        ).run()  # fmt: skip
        roles = (CONFIGURATION / "roles.sql").read_text()
        shown = self._command("postgres", "--single", "-D", str(draft), "postgres").run(text=roles)
        errors = [line for line in shown.splitlines() if "ERROR:" in line or "FATAL:" in line]
        if errors:  # the single-user server ends with 0 all the same
            raise SetupFailed("Postgres' roles could not be made:\n" + "\n".join(errors))
        draft.rename(self.data)

    def _command(self, program: str, *arguments: str) -> Command:
        environment = inherited_environment(os.environ)
        environment = {name: value for name, value in environment.items() if not name.startswith("PG")}
        return Command(
            (str(self.binaries.folder / program), *arguments),
            {**environment, "LC_ALL": "C"},
            self.folder,
            self.account,
            signal.SIGINT,  # a fast shutdown: SIGTERM would wait for every client to leave
        )

    def _lay(self, source: Path, name: str) -> None:
        target = self.folder / name
        draft = self.folder / f".{name}"
        shutil.copyfile(source, draft)
        draft.chmod(0o600 if name.endswith(".key") else 0o644)
        self._give_away(draft)
        draft.replace(target)

    def _give_away(self, path: Path) -> None:
        if self.account is not None:
            self.account.owns(path)
