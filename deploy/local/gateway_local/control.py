"""Starts, waits for and stops the supervisor of a stack; a lock that it holds for life says that it runs."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gateway_local.failure import SetupFailed
from gateway_local.layout import CHECKOUT, Home
from gateway_local.prepare import make_home, prepare
from gateway_local.private_file import read_json
from gateway_local.progress import tell
from gateway_local.readiness import not_ready
from gateway_local.services import DRAIN_S

POLL_S = 0.05
READY_TIMEOUT_S = 180.0


@contextmanager
def held(path: Path, *, content: str = "") -> Iterator[None]:
    """Holds the lock file `path`, waiting for it, with `content` in it."""
    with path.open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(content)
        lock.flush()
        yield


def supervisor_lock(home: Home) -> Path:
    return home.folder / "supervisor.lock"


def supervisor_pid(home: Home) -> int | None:
    """None when no supervisor runs this stack."""
    try:
        with supervisor_lock(home).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read() or "0") or None
    except FileNotFoundError:
        return None
    return None


def start(home: Home, environ: Mapping[str, str]) -> None:
    """Returns when every service of the stack is ready. Raises SetupFailed."""
    make_home(home)
    with held(home.folder / "start.lock"):
        if supervisor_pid(home) is None:
            prepare(home, environ)
            _start_supervisor(home, environ)
        else:
            tell("already running; changed settings count after `make stop`")
            _wait_until_ready(home)


def stop(home: Home, environ: Mapping[str, str]) -> bool:
    """Ends the stack and waits for its end; False when it was not running."""
    pid = supervisor_pid(home)
    if pid is None:
        home.run_file.unlink(missing_ok=True)
        return False
    os.kill(pid, signal.SIGTERM)
    patience_s = 6 * (float(environ.get("DRAIN_S", DRAIN_S)) + 10)
    deadline_s = time.monotonic() + patience_s
    while supervisor_pid(home) == pid:
        if time.monotonic() > deadline_s:
            raise SetupFailed(
                f"The stack did not end within {patience_s:.0f} s. End its supervisor with `kill -9 {pid}`."
            )
        time.sleep(POLL_S)
    return True


def _start_supervisor(home: Home, environ: Mapping[str, str]) -> None:
    home.outcome.unlink(missing_ok=True)
    log = home.logs / "supervisor.log"
    with log.open("ab") as output:
        read_from = output.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway_local", "supervise"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=CHECKOUT,
            env={**environ, "AGENT_GATEWAY_HOME": str(home.folder)},
            start_new_session=True,
        )
    try:
        with log.open() as lines:
            lines.seek(read_from)
            while process.poll() is None and not home.outcome.exists():
                _relay(lines.read())
                time.sleep(POLL_S)
            _relay(lines.read())
    except BaseException:
        process.terminate()
        process.wait()
        raise
    outcome = read_json(home.outcome)
    if outcome.get("state") != "ready":
        process.wait()
        raise SetupFailed(outcome.get("problem") or f"The supervisor ended ({process.returncode}). Its log is {log}.")


def _relay(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _wait_until_ready(home: Home) -> None:
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    while True:
        ops_urls = read_json(home.run_file).get("ops_urls")
        unready = not_ready(ops_urls) if ops_urls else {"the stack": "is starting"}
        if not unready:
            return
        if time.monotonic() > deadline_s:
            told = "; ".join(f"{name}: {problem}" for name, problem in unready.items())
            raise SetupFailed(f"It runs, and is not ready: {told}. The logs are in {home.logs}.")
        time.sleep(POLL_S)
