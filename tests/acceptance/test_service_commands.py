"""The services' commands on a running stack, by the program that its start leaves: no setting, from any folder."""

import re
import subprocess
from pathlib import Path

import aiohttp
import pytest

from tests.acceptance.stack import Stack

TIMEOUT_S = 120
TENANT = "commands"


def gateway(stack: Stack, cwd: Path, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """As somebody runs it who knows nothing but where it is; modules in `cwd` would end it with 99."""
    for name in ("json", "gateway_edge", "gateway_billing"):
        (cwd / f"{name}.py").write_text("raise SystemExit(99)\n")
    return subprocess.run(
        [str(stack.home / "bin/gateway"), *arguments],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin"},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def printed(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_a_key_that_was_made_is_let_in(stack: Stack, tmp_path: Path) -> None:
    made = printed(
        gateway(stack, tmp_path, "edge", "keys", "create", "--tenant", TENANT, "--user", "a", "--kind", "gw")
    )
    headers = {"Authorization": f"Bearer {made.splitlines()[-1]}"}
    async with aiohttp.ClientSession(headers=headers) as client, client.get(f"{stack.edge_url}/v1/models") as answer:
        assert answer.status == 200
    key_id = re.findall(r"key_\w+", made)[0]
    assert f"{key_id}  {TENANT}/a  gw" in printed(gateway(stack, tmp_path, "edge", "keys", "list"))
    assert printed(gateway(stack, tmp_path, "edge", "keys", "revoke", key_id)) == f"revoked {key_id}\n"


def test_an_owners_command_has_the_owners_rights(stack: Stack, tmp_path: Path) -> None:
    printed(gateway(stack, tmp_path, "edge", "keys", "create", "--tenant", TENANT, "--user", "a", "--kind", "gw"))
    chosen = printed(gateway(stack, tmp_path, "edge", "tenants", "end-user-ids", "--tenant", TENANT, "plain"))
    assert chosen.startswith(f"{TENANT}: end users' ids are recorded by name")
    assert re.search(
        rf"^{TENANT}  end users by name", printed(gateway(stack, tmp_path, "edge", "tenants", "list")), re.MULTILINE
    )
    assert "to apply" in printed(gateway(stack, tmp_path, "edge", "migrate"))
    kept = printed(gateway(stack, tmp_path, "billing", "retention", "--keep-months", "1200", "--dry-run"))
    assert kept == "no month is older than 1200 months before this one\n"


def test_the_ledger_is_reconciled_with_the_journals_own_list(stack: Stack, tmp_path: Path) -> None:
    """From a file in the caller's folder, and from the standard input; 1 where calls are on their way."""
    journals = printed(gateway(stack, tmp_path, "router", "journal", "list", "--json"))
    (tmp_path / "journals.json").write_text(journals)
    for file, stdin in (("journals.json", ""), ("/dev/stdin", journals)):
        done = gateway(stack, tmp_path, "billing", "reconcile", "--journal-list", file, stdin=stdin)
        assert re.search(r"\d+ producers: \d+ missing, 0 twice\n$", done.stdout), done.stderr
        assert done.returncode == (" 0 missing, 0 twice" not in done.stdout)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["edge", "keys", "revoke", "key_none"], 1, "there is no live key key_none"),
        (["router", "replay", "--from-sequence", "0"], 2, "sequences count from 1"),
        (["edge", "serve"], 1, "The stack runs the edge already."),
    ],
)
def test_exit_status_and_standard_error_are_the_commands(
    stack: Stack, tmp_path: Path, arguments: list[str], status: int, said: str
) -> None:
    done = gateway(stack, tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr


def test_a_files_bytes_go_through_the_standard_output(stack: Stack, tmp_path: Path) -> None:
    export = ("billing", "export-month", "--month", "2020-01", "--output")
    printed(gateway(stack, tmp_path, *export, "calls.csv"))
    assert printed(gateway(stack, tmp_path, *export, "-")) == (tmp_path / "calls.csv").read_text()
