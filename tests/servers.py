"""Real servers for tests: a private Postgres and a private RabbitMQ, over mutual TLS, on free ports.

They are the runner's own (deploy/local), so a test meets what `make start` starts.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway_local.command import Command
from gateway_local.postgres_binaries import Binaries
from gateway_local.postgres_install import install_server
from gateway_local.rabbitmq import RabbitServer

from gateway_authority.authority import Authority
from gateway_authority.directory import issue_directory, read_credential, write_credential
from gateway_authority.profile import DEFAULT_DEPLOYMENT, USAGES, LeafProfile, role_profile
from gateway_shared.tls import TlsFiles
from tests.ports import free_ports

READY_TIMEOUT_S = 60.0
_WITHOUT_FSYNC = {"fsync": "off"}
"""A killed process loses nothing without it: only a crash of the machine would."""

STOP_TIMEOUT_S = 20.0


def private_folder() -> Path:
    """A temporary folder that Postgres' account can reach, which pytest's own it cannot."""
    folder = Path(tempfile.mkdtemp(prefix="agent-gateway-"))
    folder.chmod(0o711)
    return folder


def wait_until(
    condition: Callable[[], bool], *, what: str, timeout_s: float = READY_TIMEOUT_S, every_s: float = 0.02
) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {timeout_s:.0f} s"
        time.sleep(every_s)


@dataclass(frozen=True, slots=True)
class Certificates:
    """A folder of issued leaves, and the authority to issue odd ones."""

    folder: Path
    authority: Authority

    @classmethod
    def issue(cls, folder: Path) -> "Certificates":
        issue_directory(
            folder, deployment=DEFAULT_DEPLOYMENT, roles=USAGES, now=datetime.now(UTC), lifetime=timedelta(days=2)
        )
        credential = read_credential(folder, "ca")
        assert credential is not None
        return cls(folder, Authority.load(credential))

    def files(self, name: str) -> TlsFiles:
        return TlsFiles(self.folder / "ca.pem", self.folder / f"{name}.pem", self.folder / f"{name}.key")

    def profile(self, role: str) -> LeafProfile:
        """What the role's leaf says, to be changed with `dataclasses.replace`."""
        return role_profile(role, deployment=DEFAULT_DEPLOYMENT, now=datetime.now(UTC), lifetime=timedelta(days=2))

    def issue_odd(self, name: str, profile: LeafProfile, *, authority: Authority | None = None) -> TlsFiles:
        """A leaf that says `profile`, signed by our authority or another one."""
        write_credential(self.folder, name, (authority or self.authority).issue(profile))
        return self.files(name)


class RunningServer:
    """One server process that a test may kill, pause and start again; its port and its data stay."""

    def __init__(self, name: str, command: Callable[[], Command], is_ready: Callable[[int], bool], log: Path) -> None:
        self._name, self._command, self._is_ready, self.log = name, command, is_ready, log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def is_ready(self) -> bool:
        return self.is_running and self._is_ready(self.pid)

    def start(self) -> None:
        """Returns when it answers."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """In the main thread only: the process ends with the thread that began it (PR_SET_PDEATHSIG)."""
        self._process = self._command().start(self.log)

    def wait_until_ready(self) -> None:
        """From any thread."""
        process = self._process
        assert process is not None

        def is_ready() -> bool:
            assert process.poll() is None, f"{self._name} ended while starting:\n{self.log.read_text()[-3000:]}"
            return self._is_ready(process.pid)

        wait_until(is_ready, what=f"{self._name} being ready")

    def kill(self) -> None:
        """SIGKILL, and the process is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(self._command().stop_signal)

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, with_signal: signal.Signals) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(with_signal)
        self.resume()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT_S)


class Postgres(RunningServer):
    """Roles operator, edge, router, billing and billing_reader on the database `gateway`; nothing is migrated."""

    def __init__(
        self,
        folder: Path,
        certificates: Certificates,
        distribution: list[Binaries] | None = None,
        settings: Mapping[str, str] = _WITHOUT_FSYNC,
    ) -> None:
        folder.mkdir()
        self._server = replace(install_server(folder, free_ports(1)[0], distribution), settings=settings)
        self._server.prepare(certificates.folder)
        self._certificates = certificates
        super().__init__("Postgres", self._server.command, self._server.is_ready, folder.with_suffix(".log"))

    @property
    def port(self) -> int:
        return self._server.port

    def kill(self) -> None:
        """SIGKILL; gone are its own processes too, whose shared memory would keep it from starting again."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split() if self.is_running else []
        super().kill()
        wait_until(lambda: not any(map(_is_alive, children)), what="the end of Postgres' own processes")

    def wipe(self) -> None:
        """A new cluster in place of the one that is down."""
        shutil.rmtree(self._server.data)
        self._server.prepare(self._certificates.folder)

    def dsn(self, role: str) -> str:
        return f"postgresql://{role}@localhost:{self.port}/gateway"

    def tls_files(self, role: str) -> TlsFiles:
        return self._certificates.files(role)


def _is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class RabbitMq(RunningServer):
    """Users router and billing, as in deployment; nothing is declared."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        self._server = RabbitServer(folder, certificates.folder, *free_ports(3))
        self._server.prepare()
        self._certificates = certificates
        self._epmd: subprocess.Popen[bytes] | None = None
        log = folder.with_suffix(".log")
        super().__init__("RabbitMQ", self._server.command, lambda _: self._server.is_ready(), log)

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def url(self) -> str:
        return f"amqps://localhost:{self.port}/"

    def tls_files(self, role: str) -> TlsFiles:
        return self._certificates.files(role)

    def wipe(self) -> None:
        """Of the node that is down: queues, exchanges, messages."""
        shutil.rmtree(self._server.folder / "mnesia")

    def control(self, *arguments: str) -> str:
        """Runs rabbitmqctl against this node (about a second)."""
        return self._server.control_command(*arguments).run()

    def sync(self) -> None:
        """Its tables are on disk: a queue declared just before a SIGKILL is lost by it, or has no leader for good.

        Else Ra writes the names of new quorum queues after half a second (`auto_save` of names.dets).
        """
        self.control("eval", "mnesia:sync_log(), [ok = dets:sync(Table) || Table <- dets:all()].")

    def launch(self) -> None:
        if self._epmd is None:
            self._epmd = self._server.epmd_command().start(self.log)
        super().launch()

    def stop(self) -> None:
        super().stop()
        if self._epmd is not None:
            self._epmd.terminate()
            self._epmd.wait(STOP_TIMEOUT_S)
            self._epmd = None


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
