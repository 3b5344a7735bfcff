"""The folder of one run of the rig, and the lock that keeps two runs in one checkout apart."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway_local.control import stop
from gateway_local.failure import SetupFailed
from gateway_local.layout import CHECKOUT, Home
from gateway_local.progress import tell
from gateway_local.remove import remove_data


@contextmanager
def run_folder(shared: Path) -> Iterator[Path]:
    """A new folder below `shared`, for this run alone, and gone after the block.

    What a killed run has left, its stacks included, is ended first. Raises SetupFailed while another runs.
    """
    runs = shared / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    with _alone(shared / "lock"):
        for left in runs.iterdir():
            tell(f"ending what an earlier run left in {left.name}")
            _end(left)
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=runs))
        folder.chmod(0o755)  # as root, Postgres runs as another user
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """The lock is the holder's for life: one that was killed holds it no more."""
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise SetupFailed(
                f"Another bench runs in this checkout, as process {lock.read() or '?'}: the two would measure each"
                " other. Wait for its end, or end it with Ctrl-C."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
        lock.truncate(0)


def _end(folder: Path) -> None:
    for lock in (*folder.glob("homes/*/supervisor.lock"), *folder.glob("against/*/.local/supervisor.lock")):
        home = Home(lock.parent)
        stop(home, os.environ)
        remove_data(home)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["git", "worktree", "prune"], cwd=CHECKOUT, check=False)
