"""The services' commands, in the forms for compose that docs/operations.md gives."""

import json

from tests.compose.stack import ROOT, ComposeStack

TARIFFS = ROOT / "deploy/prices/tariffs.json"
SOURCES = "SELECT source FROM billing.tariff_version ORDER BY version_id DESC LIMIT 1"


def test_a_service_runs_its_commands_and_a_step_the_owners(stack: ComposeStack) -> None:
    assert "0 missing" in stack.compose("exec", "-T", "billing", "gateway", "reconcile")
    assert json.loads(stack.compose("exec", "-T", "router", "gateway", "journal", "list", "--json"))
    kept = stack.compose("run", "--rm", "billing-migrate", "retention", "--keep-months", "24", "--dry-run")
    assert "no month is older" in kept


def test_an_operators_own_tariffs_stay_when_everything_is_started_again(stack: ComposeStack) -> None:
    own = json.dumps(json.loads(TARIFFS.read_text()) | {"source": "an operator"})
    assert "version" in stack.compose("exec", "-T", "billing", "gateway", "import-tariffs", "-", given=own)
    stack.compose("--profile", "demo", "up", "--detach", "--wait")
    assert "is your own" in stack.compose("logs", "--no-color", "tariffs-import")
    assert stack.rows(SOURCES) == ["an operator"]


def test_a_book_that_was_exported_is_known_when_it_is_imported(stack: ComposeStack) -> None:
    billing = ("exec", "-T", "billing", "gateway")
    book = stack.compose(*billing, "export-prices", "--book", "overrides", "--output", "-")
    assert "already imported" in stack.compose(*billing, "import-prices", "-", given=book)
