"""`gateway SERVICE COMMAND`: what is run, as whom and where, and what is said when nothing can be."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from gateway_local.failure import SetupFailed
from gateway_local.layout import CHECKOUT, Home
from gateway_local.ports import Ports
from gateway_local.service_command import needs_owner, service_command, write_program
from gateway_local.services import Services

STACK = Services(Home(Path("/srv/state")), Ports(*range(18_000, 18_010)), {"PATH": "/usr/bin"})
PAGES = ("api.md", "billing.md", "operations.md")
DOCUMENTED = [
    line
    for page in PAGES
    for line in (CHECKOUT / "docs" / page).read_text().splitlines()
    if re.match(r"gateway (edge|router|billing) ", line)
]


def program(home: Path, *arguments: str, cwd: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    """The program of a stack in `home`, run by somebody who has next to nothing in the environment."""
    write_program(Home(home))
    return subprocess.run(
        [str(home / "bin/gateway"), *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "it's $HOME & more"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("line", "role"),
    [
        ("edge keys list", "edge"),
        ("edge tenants list", "edge"),
        ("edge tenants end-user-ids --tenant acme plain", "operator"),
        ("edge migrate", "operator"),
        ("router replay --dry-run", "router"),
        ("router migrate", "operator"),
        ("billing reconcile", "billing"),
        ("billing erase --tenant acme --end-user bob", "operator"),
        ("billing retention --help", "operator"),
        ("billing --help", "billing"),
    ],
)
def test_a_command_runs_as_its_service_or_as_the_owner_where_it_has_to(line: str, role: str) -> None:
    service, *arguments = line.split()
    command = service_command(STACK, service, arguments)
    assert command.arguments[0].endswith(f"/venvs/{service}/bin/python")
    assert command.arguments[1:] == ("-m", f"gateway_{service}", *arguments)
    assert command.environment["TLS_CERT_FILE"] == f"/srv/state/certificates/{role}.pem"
    assert command.environment["POSTGRES_DSN"] == f"postgresql://{role}@localhost:18005/gateway"


def test_a_command_of_the_router_finds_journal_broker_and_key_ring() -> None:
    environment = service_command(STACK, "router", ["replay"]).environment
    assert environment["JOURNAL_DIR"] == "/srv/state/journal"
    assert environment["AMQP_URL"] == "amqps://localhost:18006/"
    assert environment["PROVIDER_KEY_RING_FILE"] == "/srv/state/secrets/provider_key_ring"


@pytest.mark.parametrize("arguments", [[], ["serve"]])
def test_a_second_service_is_not_started_beside_the_stacks_own(arguments: list[str]) -> None:
    with pytest.raises(SetupFailed, match="runs the billing already"):
        service_command(STACK, "billing", arguments)


@pytest.mark.parametrize("line", DOCUMENTED)
def test_the_pages_say_owner_where_a_command_needs_the_owner(line: str) -> None:
    _, service, *arguments = shlex.split(line, comments=True)
    assert ("owner" in line) == needs_owner(service, arguments)


def test_the_pages_have_commands_of_every_service() -> None:
    assert len(DOCUMENTED) >= 30
    assert {line.split()[1] for line in DOCUMENTED} == {"edge", "router", "billing"}


def test_where_no_stack_runs_it_says_so(home: Path, tmp_path: Path) -> None:
    done = program(home, "billing", "reconcile", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"No stack runs in {home}. Start it with `make start`, or set AGENT_GATEWAY_HOME.\n"


def test_another_stack_can_be_named_and_is_found_from_the_callers_folder(home: Path, tmp_path: Path) -> None:
    done = program(home, "billing", "reconcile", cwd=tmp_path, AGENT_GATEWAY_HOME="elsewhere")
    assert f"No stack runs in {tmp_path / 'elsewhere'}." in done.stderr


@pytest.mark.parametrize(("arguments", "status"), [([], 2), (["bill"], 2), (["--help"], 0)])
def test_it_explains_itself(home: Path, tmp_path: Path, arguments: list[str], status: int) -> None:
    done = program(home, *arguments, cwd=tmp_path)
    assert done.returncode == status
    assert (done.stdout or done.stderr).startswith("usage: gateway edge|router|billing COMMAND ...")


@pytest.mark.parametrize("name", ["json", "gateway_local"])
def test_a_module_in_the_callers_folder_is_not_taken_for_ours(home: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text("raise SystemExit(99)\n")
    assert program(home, "--help", cwd=tmp_path).returncode == 0
