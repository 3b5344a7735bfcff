"""How the interpreter's build is told."""

import sys
from pathlib import Path

import pytest

from bench.interpreter import described, interpreter


@pytest.mark.parametrize(
    ("prefix", "flags", "told"),
    [
        ("/opt/python", "-O3 -fprofile-use", "PGO build"),
        ("/usr/local", "'--enable-optimizations'", "PGO build"),
        ("/usr", "-g -O2", "distribution build"),
        ("/root/own", "-O3", "plain build"),
    ],
)
def test_the_build_is_told_by_its_flags_or_by_who_hides_them(prefix: str, flags: str, told: str) -> None:
    assert described(version="3.11.2", prefix=prefix, flags=flags) == f"Python 3.11.2 ({told})"


def test_an_interpreter_is_asked_itself() -> None:
    assert interpreter(Path(sys.executable)).startswith(f"Python {sys.version.split()[0]} (")
