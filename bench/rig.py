"""What every target is given, what it gives back, and how its processes are started and ended."""

import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway_local.command import Command, tail_of
from gateway_local.layout import TOOLS
from gateway_local.ports import is_free, outgoing_ports, outside

FOLDER = TOOLS / "bench"
"""Of the checkout: what is installed, compiled and kept; what one run makes is in run_folder.py."""
READY_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 20.0
POLL_S = 0.05


class Absent(Exception):
    """A peer that cannot be had or does not start here, with the reason."""


@dataclass(frozen=True, slots=True)
class Rig:
    """`folder` is the run's, for what targets write; `certificates` are of our own authority."""

    provider_port: int
    folder: Path
    certificates: Path


@dataclass(frozen=True, slots=True)
class Target:
    """A server under load. `parts` are the processes whose CPU counts, by name, each with its descendants.

    `behind` are those that work for it off the path of a request: shown, and not counted.
    Where `carries_open_streams` is false, many at once would only queue up in it: it is not asked to.
    """

    name: str
    port: int
    parts: Mapping[str, int]
    path: str = "/v1/chat/completions"
    headers: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=lambda: {"openai": "gpt-4o"})
    behind: Mapping[str, int] = field(default_factory=dict)
    carries_open_streams: bool = True


Peer = Callable[[Rig], AbstractContextManager[Target]]


def free_port(count: int = 1) -> int:
    """The first of `count` ports in a row that nobody listens on."""
    candidates = outside(outgoing_ports())
    while True:
        port = random.choice(candidates[:-count])
        if all(map(is_free, range(port, port + count))):
            return port


@contextmanager
def served(name: str, command: Command, *, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process, answering on `port`. Raises Absent when it ends, or does not listen in time."""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    process = command.start(log)
    try:
        _await_port(name, process, port, log)
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _await_port(name: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None:
                said = tail_of(log.read_text(errors="replace"), 3)
                raise Absent(f"{name} ended at its start ({process.returncode}): {said}") from None
            if time.monotonic() > deadline_s:
                raise Absent(f"{name} did not listen within {READY_TIMEOUT_S:.0f} s") from None
        time.sleep(POLL_S)
