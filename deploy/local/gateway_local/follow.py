"""Follows the services' logs on the terminal, each line with the name of who wrote it."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

POLL_S = 0.2
FOLLOWED = ("edge", "router", "billing", "simulator")


def follow(logs: Path, *, is_running: Callable[[], bool]) -> None:
    """From now on, until the stack has ended."""
    files = {name: path.open(errors="replace") for name in FOLLOWED if (path := logs / f"{name}.log").exists()}
    for file in files.values():
        file.seek(0, 2)
    while is_running():
        for name, file in files.items():
            for line in file.read().splitlines():
                sys.stdout.write(f"{name:<9} | {line}\n")
        sys.stdout.flush()
        time.sleep(POLL_S)
