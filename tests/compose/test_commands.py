"""The services' commands, in the forms for compose that docs/operations.md gives."""

import json
import subprocess
from pathlib import Path

from tests.compose.stack import COMMAND_TIMEOUT_S, ROOT, ComposeStack

TARIFFS = ROOT / "deploy/prices/tariffs.json"
SOURCES = "SELECT source FROM billing.tariff_version ORDER BY version_id DESC LIMIT 1"


def given_a_file(stack: ComposeStack, file: Path, *command: str) -> str:
    """What `docker compose exec -T ... < FILE` writes to both outputs."""
    with file.open("rb") as opened:
        done = subprocess.run(
            ["docker", "compose", "exec", "-T", *command],
            stdin=opened,
            cwd=ROOT,
            env=stack.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_a_service_runs_its_commands_and_a_step_the_owners(stack: ComposeStack) -> None:
    assert "0 missing" in stack.compose("exec", "-T", "billing", "gateway", "reconcile")
    assert json.loads(stack.compose("exec", "-T", "router", "gateway", "journal", "list", "--json"))
    kept = stack.compose("run", "--rm", "billing-migrate", "retention", "--keep-months", "24", "--dry-run")
    assert "no month is older" in kept


def test_an_operators_own_tariffs_stay_when_everything_is_started_again(stack: ComposeStack, tmp_path: Path) -> None:
    own = tmp_path / "tariffs.json"
    own.write_text(json.dumps(json.loads(TARIFFS.read_text()) | {"source": "an operator"}))
    assert "version" in given_a_file(stack, own, "billing", "gateway", "import-tariffs", "-")
    stack.compose("--profile", "demo", "up", "--detach", "--wait")
    assert "is your own" in stack.compose("logs", "--no-color", "tariffs-import")
    assert stack.rows(SOURCES) == ["an operator"]


def test_a_book_that_was_exported_is_known_when_it_is_imported(stack: ComposeStack, tmp_path: Path) -> None:
    exported = tmp_path / "overrides.json"
    book = stack.compose("exec", "-T", "billing", "gateway", "export-prices", "--book", "overrides", "--output", "-")
    exported.write_text(book)
    assert "already imported" in given_a_file(stack, exported, "billing", "gateway", "import-prices", "-")
