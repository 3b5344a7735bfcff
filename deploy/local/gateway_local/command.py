"""A program to run: what, in which environment, where, and as whom."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway_local.account import Account
from gateway_local.failure import SetupFailed

_NOT_PASSED_ON = (
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONDONTWRITEBYTECODE",
)
"""Our own caller's: a service that may not keep its bytecode would compile thousands of files at every start."""


_PR_SET_PDEATHSIG = 1


def inherited_environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name not in _NOT_PASSED_ON}


@dataclass(frozen=True, slots=True)
class Command:
    """`account` is who runs it when that is not ourselves."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    working_directory: Path
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM

    def options(self) -> dict[str, Any]:
        """For Popen, or for asyncio's create_subprocess_exec: the pid is then the program's own."""
        options: dict[str, Any] = {
            "env": dict(self.environment),
            "cwd": self.working_directory,
            "stdin": subprocess.DEVNULL,
            "start_new_session": True,  # a Ctrl-C at the terminal is ours to pass on, in order
            "preexec_fn": self._stop_with_parent,
        }
        if self.account is not None:
            options |= {"user": self.account.uid, "group": self.account.gid, "extra_groups": []}
        return options

    def _stop_with_parent(self) -> None:
        """Linux ends a process whose parent was killed outright; nothing is left behind."""
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(self.stop_signal))

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(self.arguments, stdout=output, stderr=subprocess.STDOUT, **self.options())

    def run(self, *, text: str | None = None, timeout_s: float = 600) -> str:
        """Runs it to its end with `text` on standard input; returns what it printed. Raises SetupFailed."""
        options = self.options()
        if text is not None:
            del options["stdin"]
            options["input"] = text
        try:
            done: subprocess.CompletedProcess[str] = subprocess.run(
                self.arguments,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=timeout_s,
                check=False,
                **options,
            )
        except OSError as error:
            raise SetupFailed(f"{self.arguments[0]} cannot be run: {error.strerror}.") from error
        except subprocess.TimeoutExpired as error:
            raise SetupFailed(f"{' '.join(self.arguments)} did not end within {timeout_s:.0f} s.") from error
        if done.returncode != 0:
            raise SetupFailed(f"{' '.join(self.arguments)} failed ({done.returncode}):\n{tail_of(done.stdout)}")
        return done.stdout


def tail_of(text: str, lines: int = 15) -> str:
    return os.linesep.join(text.splitlines()[-lines:])
