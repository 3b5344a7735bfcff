"""SIGKILL of a process with 50 calls open: what it promised is there, and every call ends in one record."""

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from gateway_router.adoption import Adoption
from gateway_router.journal.frame import FrameKind
from gateway_shared.usage_event import UsageEvent
from tests.unit.router_journal.reading import read_frames

ROOT = Path(__file__).parents[3]


def promises_until_killed(journal_dir: Path, boot: str, *, lines: int) -> list[tuple[str, str]]:
    """Starts the process, kills it once it has said so many lines, and returns all it said."""
    command = (sys.executable, "-m", "tests.unit.router_journal.appending_process", str(journal_dir), boot)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        said += process.stdout.readlines()
    words = (line.decode().split() for line in said if line.endswith(b"\n"))
    return [(word, event_id) for word, event_id in words]


@pytest.mark.parametrize("kill", range(20))
def test_sigkill_loses_no_promise_and_leaves_no_call_open(tmp_path: Path, kill: int) -> None:
    said = promises_until_killed(tmp_path, f"b{kill}", lines=random.Random(kill).randrange(1, 4000))
    (publication,) = Adoption(tmp_path).adopt()
    frames = read_frames(publication.folder.path)
    publication.close()
    publication.folder.release()

    terminal = [UsageEvent.from_json(frame.payload) for frame in frames if frame.kind is FrameKind.SETTLE]
    by_id = {event.event_id: event for event in terminal}
    asked = {UsageEvent.from_json(frame.payload).event_id for frame in frames if frame.kind is FrameKind.INTENT}
    assert set(Counter(event.event_id for event in terminal).values()) == {1}
    assert set(by_id) == asked >= {event_id for word, event_id in said if word == "asked"}
    assert {by_id[event_id].status for word, event_id in said if word == "settled"} <= {"settled"}
    assert [event.sequence for event in terminal] == list(range(1, len(terminal) + 1))
    assert publication.unpublished == len(terminal)
