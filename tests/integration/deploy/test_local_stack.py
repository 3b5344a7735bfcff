"""`make start` and `make stop` on real servers: what a person, or a script, can rely on."""

import json
import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.stack import ROOT, Stack, running_stack
from tests.servers import wait_until

KEYS = ("admin_key", "standard_key", "langchain_key")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("local")) as stack:
        yield stack


def make(stack: Stack, target: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", target],
        cwd=ROOT,
        env={**stack.environ, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def pids(run: dict[str, Any]) -> list[int]:
    return [pid for pid in run["pids"].values() if pid is not None]


def are_gone(numbers: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in numbers)


def test_run_json_is_private_and_complete(stack: Stack) -> None:
    assert stat.S_IMODE((stack.home / "run.json").stat().st_mode) == 0o600
    assert stack.run.keys() == {"edge_url", "ops_urls", *KEYS, "postgres_dsn", "postgres_owner_dsn", "pids"}
    assert stack.run["pids"].keys() == {"edge", "router", "billing", "postgres", "rabbitmq", "simulator"}
    for name, program in {"postgres": "postgres", "rabbitmq": "beam.smp", "edge": "python"}.items():
        command_line = Path(f"/proc/{stack.run['pids'][name]}/cmdline").read_text()
        assert program in command_line.split("\0", maxsplit=1)[0]


def test_starting_what_runs_changes_nothing(stack: Stack) -> None:
    before = stack.run
    done = make(stack, "start")
    assert done.returncode == 0
    assert "already running" in done.stdout
    assert stack.run == before


def test_both_connection_strings_work_as_they_are(stack: Stack) -> None:
    for name, role in (("postgres_dsn", "billing_reader"), ("postgres_owner_dsn", "operator")):
        shown = subprocess.run(
            ["psql", "--no-psqlrc", "-Atc", "SELECT current_user", stack.run[name]],
            capture_output=True,
            text=True,
            check=True,
        )
        assert shown.stdout == f"{role}\n"


def test_the_pepper_is_in_no_environment(stack: Stack) -> None:
    pepper = (stack.home / "secrets/key_pepper").read_text().strip()
    for pid in pids(stack.run):
        assert pepper not in Path(f"/proc/{pid}/environ").read_text()


def test_a_killed_supervisor_leaves_nothing_behind_and_a_new_start_finds_all_again(stack: Stack) -> None:
    before = stack.run
    os.kill(int((stack.home / "supervisor.lock").read_text()), signal.SIGKILL)
    wait_until(lambda: are_gone(pids(before)), what="the end of all children")
    done = make(stack, "start")
    assert done.returncode == 0, done.stdout + done.stderr
    after = stack.run
    assert {name: after[name] for name in KEYS} == {name: before[name] for name in KEYS}
    assert after["edge_url"] == before["edge_url"]
    assert stack.is_ready()


def test_a_taken_port_is_named_with_what_moves_it(stack: Stack, tmp_path: Path) -> None:
    done = make(stack, "start", AGENT_GATEWAY_HOME=str(tmp_path / "second"))
    assert done.returncode != 0
    assert f"port {stack.port_base} (edge) is in use: set EDGE_PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_stop_ends_every_process_and_data_of_another_major_is_recognised(stack: Stack) -> None:
    running = pids(stack.run)
    assert make(stack, "stop").returncode == 0
    assert are_gone(running)
    assert not (stack.home / "run.json").exists()
    note = stack.home / "postgres-folder"
    version = (Path(note.read_text().strip()) if note.exists() else stack.home / "postgres") / "data/PG_VERSION"
    made_by = version.read_text()
    version.write_text("14\n")
    done = make(stack, "start")
    version.write_text(made_by)
    assert done.returncode != 0
    assert "was made by PostgreSQL 14" in done.stderr
    assert "make clean" in done.stderr
    assert json.loads((stack.home / "keys.json").read_text())
