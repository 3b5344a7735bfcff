"""Metrics of a service that is several processes: prometheus_client's multiprocess files, each written by one worker.

metrics_folder = MetricsFolder.create("edge")   # in the supervisor
metrics_folder.write_here()                     # in a worker, after the fork
metrics_folder.bury(pid)                        # in the supervisor: the counts of a dead worker stay, its gauges go
metrics_folder.exposition()                     # in any of them: the figures of all
"""

# mypy: disable-error-code="no-untyped-call"

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from gateway_shared import metrics_file

_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made in it is private
_PREFIX = "agent-gateway-metrics-"
_LOCK = "lock"
_BURIED = "buried"
_SUMMED = ("counter", "histogram", "summary")

_computed: dict[Gauge, Callable[[], float]] = {}


def compute(gauge: Gauge, function: Callable[[], float]) -> None:
    """`gauge` is what `function` says whenever it is read; a later function replaces it."""
    gauge.set_function(function)
    _computed[gauge] = function


def refresh() -> None:
    """Brings the computed gauges of this process up to date."""
    for gauge, function in _computed.items():
        gauge.set(function())


class MetricsFolder:
    """A private folder in memory, removed by `remove`, or by the next one when its supervisor was killed."""

    def __init__(self, path: Path, lock_fd: int) -> None:
        self.path = path
        self._lock_fd = lock_fd

    @classmethod
    def create(cls, service: str) -> Self:
        """Raises OSError."""
        parent = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
        _remove_abandoned(parent)
        path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{service}-", dir=parent))
        lock_fd = os.open(path / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock_fd, fcntl.LOCK_SH)
        return cls(path, lock_fd)

    def write_here(self) -> None:
        """This process writes its values to files of its own; they begin at 0."""
        metrics_file.write_to(self.path)

    def bury(self, pid: int) -> None:
        """Adds the counts of a process that has ended to those of the dead before it, and removes its files."""
        with self._exclusively():
            mark_process_dead(pid, str(self.path))
            for kind in _SUMMED:
                file = self.path / f"{kind}_{pid}.db"
                if file.exists():
                    metrics_file.add_to(self.path / f"{kind}_{_BURIED}.db", file)
                    file.unlink()

    def exposition(self) -> bytes:
        """All metrics of all processes in Prometheus' text format."""
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self.path))
        with self._shared():
            return generate_latest(registry)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock_fd)

    @contextmanager
    def _shared(self) -> Iterator[None]:
        """No process is being buried meanwhile: its counts would be there twice, or not at all."""
        with _locked(self.path / _BURIED, fcntl.LOCK_SH):
            yield

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        with _locked(self.path / _BURIED, fcntl.LOCK_EX):
            yield


def _remove_abandoned(parent: Path) -> None:
    """Folders of ours whose supervisor was killed: nobody holds their lock."""
    for path in parent.glob(f"{_PREFIX}*"):
        try:
            if path.lstat().st_uid != os.getuid():
                continue
            with (path / _LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
        except (BlockingIOError, FileNotFoundError):
            continue  # in use, or gone this moment


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    with path.open("a+b") as lock:
        fcntl.flock(lock, how)
        yield
