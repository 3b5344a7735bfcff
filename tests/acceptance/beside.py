"""Further edges and routers beside a stack: its own programs, certificates and servers, on other ports."""

import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.stack import Stack, get_json, wait_until
from tests.ports import free_port_base

READY_S = 60.0
STOP_S = 40.0


@dataclass
class Process:
    """One service's process. `pid` changes with `start`; what is not set by `changes` is as in the stack."""

    stack: Stack
    service: str
    name: str
    port: int
    changes: Mapping[str, str]
    running: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def ops_url(self) -> str:
        return f"http://127.0.0.1:{self.port + 1}"

    @property
    def pid(self) -> int:
        assert self.running is not None
        return self.running.pid

    def start(self) -> None:
        model = Path(f"/proc/{self.stack.run['pids'][self.service]}")
        environ = dict(line.split("=", 1) for line in (model / "environ").read_text().split("\0") if line)
        arguments = (model / "cmdline").read_text().rstrip("\0").split("\0")
        with (self.stack.home / "logs" / f"{self.name}.log").open("ab") as log:
            self.running = subprocess.Popen(
                arguments,
                env={**environ, **self.changes},
                cwd=(model / "cwd").readlink(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        wait_until(self.is_ready, within_s=READY_S, what=f"{self.name} is ready")

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Until it has ended; its exit code."""
        assert self.running is not None
        return self.running.wait(STOP_S)

    def kill(self) -> None:
        """The workers die with their supervisor."""
        assert self.running is not None
        self.running.kill()
        self.running.wait()

    def resident_bytes(self) -> int:
        """Of the supervisor and its workers, what is shared counted in parts (proportional set size)."""
        return sum(_proportional_bytes(pid) for pid in [self.pid, *children_of(self.pid)])

    def metrics(self) -> str:
        with urllib.request.urlopen(f"{self.ops_url}/metrics", timeout=10) as response:
            return str(response.read(), "utf-8")

    def is_ready(self) -> bool:
        assert self.running is not None
        assert self.running.poll() is None, f"{self.name} has ended"
        try:
            get_json(f"{self.ops_url}/ready")
        except OSError:  # nobody listens yet, or 503
            return False
        return True


@contextmanager
def edge_with_routers(stack: Stack, routers: int, **settings: str) -> Iterator[tuple[Process, list[Process]]]:
    """An edge that knows these routers only; all of them are ended with the block."""
    with ExitStack() as ends:
        behind = [_router(stack, number, settings) for number in range(routers)]
        edge = _edge(stack, behind, settings)
        for process in behind:
            process.start()
            ends.callback(process.kill)
        for process in behind:
            process.wait_until_ready()
        edge.start()  # after them: it finds all of them at once
        ends.callback(edge.kill)
        edge.wait_until_ready()
        yield edge, behind


@contextmanager
def edges_before_the_router(stack: Stack, edges: int, **settings: str) -> Iterator[list[Process]]:
    """Further edges of the stack's own router, ended with the block."""
    with ExitStack() as ends:
        started = []
        for number in range(edges):
            port = free_port_base(2)
            changes = {"EDGE_PORT": str(port), "EDGE_OPS_PORT": str(port + 1)}
            process = Process(stack, "edge", f"edge-{number}", port, {**settings, **changes})
            process.start()
            ends.callback(process.kill)
            started.append(process)
        for process in started:
            process.wait_until_ready()
        yield started


def second_on_the_volume(router: Process) -> Process:
    """Another router of the same instance name with the same journal folder; not started."""
    port = free_port_base(2)
    changes = {"ROUTER_PORT": str(port), "ROUTER_OPS_PORT": str(port + 1)}
    return Process(router.stack, "router", f"{router.name}-second", port, {**router.changes, **changes})


def _router(stack: Stack, number: int, settings: Mapping[str, str]) -> Process:
    port, name = free_port_base(2), f"router-{number}"
    changes = {
        "ROUTER_PORT": str(port),
        "ROUTER_OPS_PORT": str(port + 1),
        "ROUTER_INSTANCE": name,
        "JOURNAL_DIR": str(stack.home / f"journal-{name}"),
    }
    return Process(stack, "router", name, port, {**settings, **changes})


def _edge(stack: Stack, behind: list[Process], settings: Mapping[str, str]) -> Process:
    port = free_port_base(2)
    changes = {
        "EDGE_PORT": str(port),
        "EDGE_OPS_PORT": str(port + 1),
        "ROUTER_URL": ",".join(f"https://localhost:{router.port}" for router in behind),
    }
    return Process(stack, "edge", "edge-beside", port, {**settings, **changes})


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _proportional_bytes(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    line = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) * 1024
