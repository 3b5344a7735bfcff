"""A whole gateway of its own for acceptance tests: `make start` in a private folder, on ports of its own."""

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ports import free_port_base

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 300
PORTS = 10
SIMULATOR_OFFSET = 9


@dataclass(frozen=True)
class Stack:
    """`run` is what `.local/run.json` says; it is read anew each time, since pids change."""

    home: Path
    port_base: int
    environ: Mapping[str, str]

    @property
    def run(self) -> dict[str, Any]:
        run: dict[str, Any] = json.loads((self.home / "run.json").read_text())
        return run

    @property
    def edge_url(self) -> str:
        return str(self.run["edge_url"])

    @property
    def simulator_url(self) -> str:
        return f"http://127.0.0.1:{self.port_base + SIMULATOR_OFFSET}"

    def make(self, target: str) -> None:
        """Runs a make target against this stack; its output is shown when it fails."""
        done = subprocess.run(
            ["make", "--no-print-directory", target],
            cwd=ROOT,
            env=self.environ,
            timeout=START_TIMEOUT_S,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        assert done.returncode == 0, f"make {target}:\n{done.stdout}"

    def is_ready(self) -> bool:
        return all(_status(f"{url}/ready") == 200 for url in self.run["ops_urls"].values())

    def metrics(self) -> str:
        return get_text(f"{self.edge_url}/metrics")


@contextmanager
def running_stack(home: Path, extra_environ: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """Starts a stack and ends it, data included; provider settings of the caller's own shell are left out."""
    port_base = free_port_base(PORTS)
    environ = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_BASE_URL"))}
    environ |= {"AGENT_GATEWAY_HOME": str(home), "PORT_BASE": str(port_base), **(extra_environ or {})}
    stack = Stack(home, port_base, environ)
    try:
        stack.make("start")
        yield stack
    finally:
        stack.make("stop")
        _keep_logs(home)
        stack.make("clean")


def wait_until(condition: Callable[[], bool], *, within_s: float, what: str) -> None:
    """Waits for a condition that another process brings about."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.1)


def get_text(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:
        return str(response.read(), "utf-8")


def get_json(url: str) -> Any:
    return json.loads(get_text(url))


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return int(error.code)
    except OSError:
        return 0


def _keep_logs(home: Path) -> None:
    """Where KEEP_LOGS names a folder, the services' logs outlive the stack."""
    if keep := os.environ.get("KEEP_LOGS"):
        shutil.copytree(home / "logs", Path(keep) / home.name, dirs_exist_ok=True)
