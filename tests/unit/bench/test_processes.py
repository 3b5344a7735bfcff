"""CPU and memory from /proc, of real processes."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bench.processes import cpu_s, is_running, memory_bytes, tree

BUSY = "import sys; sum(range(30_000_000)); print(0, flush=True); sys.stdin.read()"
PARENT = f"""\
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {BUSY!r}])
print(child.pid, flush=True)
sys.stdin.read()
"""

GROWING = """\
import sys
print(flush=True)
sys.stdin.readline()
block = bytearray(50_000_000)
print(flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process


def test_what_a_grandchild_burns_counts_for_its_tree(parent: subprocess.Popen[str]) -> None:
    assert parent.stdout
    said = {int(parent.stdout.readline()), int(parent.stdout.readline())}
    grandchild = max(said)
    assert tree([parent.pid]) == {parent.pid, grandchild}
    assert cpu_s(tree([parent.pid])) > cpu_s([parent.pid]) + 0.1


def test_memory_grows_with_what_is_allocated() -> None:
    with subprocess.Popen([sys.executable, "-c", GROWING], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        before = memory_bytes([process.pid])
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()
        assert memory_bytes([process.pid]) - before > 40_000_000


def test_a_process_that_is_gone_counts_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert (cpu_s([process.pid]), memory_bytes([process.pid])) == (0, 0)
    assert not is_running(process.pid)
    assert is_running(os.getpid())
