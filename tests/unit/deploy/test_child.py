"""A child is kept running, and ended for good."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from gateway_local.child import Child
from gateway_local.command import Command
from gateway_local.failure import SetupFailed

from tests.servers import wait_until


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


class Watched:
    """A child that runs `script` in a shell, and a way to wait for what becomes of it."""

    def __init__(self, script: str, folder: Path) -> None:
        self.changed = asyncio.Event()
        self.log = folder / "child.log"
        command = Command(("/bin/sh", "-c", script), os.environ, folder)
        self.log.touch()
        self.child = Child("child", command, self.log, self.changed.set)
        self.task = asyncio.create_task(self.child.keep_running())

    async def next_pid(self, *, other_than: int | None = None) -> int:
        async with asyncio.timeout(10):
            while self.child.pid in (None, other_than):
                self.changed.clear()
                await self.changed.wait()
        assert self.child.pid is not None
        return self.child.pid

    async def says(self, text: str) -> None:
        await asyncio.to_thread(wait_until, lambda: text in self.log.read_text(), what=f"{text!r} in the log")


async def test_a_killed_child_is_started_again_with_another_pid(tmp_path: Path) -> None:
    watched = Watched("exec sleep 60", tmp_path)
    first = await watched.next_pid()
    os.kill(first, signal.SIGKILL)
    second = await watched.next_pid(other_than=first)
    assert watched.child.ends == 1
    await watched.child.stop(patience_s=5)
    await watched.task
    assert is_gone(second)


async def test_a_stopped_child_is_not_started_again(tmp_path: Path) -> None:
    watched = Watched("echo started; exec sleep 60", tmp_path)
    await watched.says("started")
    await watched.child.stop(patience_s=5)
    await watched.task
    assert watched.child.pid is None
    assert watched.child.ends == 0
    assert watched.log.read_text() == "started\n"


async def test_a_child_that_does_not_want_to_end_is_killed(tmp_path: Path) -> None:
    watched = Watched("trap '' TERM; echo deaf; while :; do sleep 0.05; done", tmp_path)
    await watched.says("deaf")
    pid = await watched.next_pid()
    await watched.child.stop(patience_s=0.2)
    await watched.task
    assert is_gone(pid)


async def test_a_paused_child_can_still_end_in_good_order(tmp_path: Path) -> None:
    watched = Watched("trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.05; done", tmp_path)
    await watched.says("up")
    os.kill(await watched.next_pid(), signal.SIGSTOP)
    await watched.child.stop(patience_s=10)
    await watched.task
    assert watched.log.read_text() == "up\nbye\n"


async def test_a_child_that_ends_just_before_it_is_stopped_is_no_error(tmp_path: Path) -> None:
    watched = Watched("exec sleep 60", tmp_path)
    pid = await watched.next_pid()
    os.kill(pid, signal.SIGKILL)
    until_s = time.monotonic() + 0.5
    while not is_gone(pid) and time.monotonic() < until_s:  # the loop is kept from hearing of it
        continue
    await watched.child.stop(patience_s=5)
    await watched.task


async def test_stopping_a_child_that_never_ran_returns(tmp_path: Path) -> None:
    child = Child("child", Command(("/bin/true",), {}, tmp_path), tmp_path / "log", lambda: None)
    async with asyncio.timeout(5):
        await child.stop(patience_s=1)


async def test_a_program_that_is_not_there_is_said_and_not_tried_for_ever(tmp_path: Path) -> None:
    child = Child("child", Command((str(tmp_path / "missing"),), {}, tmp_path), tmp_path / "log", lambda: None)
    with pytest.raises(SetupFailed, match="missing cannot be run: No such file"):
        await child.keep_running()
