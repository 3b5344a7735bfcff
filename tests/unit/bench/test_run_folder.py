"""One run of the rig at a time, each in a folder of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from gateway_local.failure import SetupFailed

from bench.run_folder import run_folder

HOLDER = """\
import signal, sys
from pathlib import Path
from bench.run_folder import run_folder
with run_folder(Path(sys.argv[1])) as folder:
    (folder / "data").touch()
    print(folder, flush=True)
    signal.pause()
"""


def test_a_second_run_in_the_checkout_is_told_who_the_first_is(tmp_path: Path) -> None:
    with run_folder(tmp_path), pytest.raises(SetupFailed, match=f"process {os.getpid()}:"), run_folder(tmp_path):
        pytest.fail("two runs at once")


def test_a_run_leaves_nothing_and_the_next_one_may_begin(tmp_path: Path) -> None:
    with run_folder(tmp_path) as first:
        (first / "data").touch()
    assert not first.exists()
    with run_folder(tmp_path) as second:
        assert second != first


def test_what_a_killed_run_left_is_gone_when_the_next_begins(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        left = Path(holder.stdout.readline().strip())
        holder.send_signal(signal.SIGKILL)
    assert (left / "data").exists()
    with run_folder(tmp_path) as folder:
        assert not left.exists()
        assert [entry.name for entry in folder.parent.iterdir()] == [folder.name]
