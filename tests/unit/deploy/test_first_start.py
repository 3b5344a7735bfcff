"""Small things of a first start: the printed key, the greeting, files for the owner only, what `clean` removes."""

import json
import stat
from pathlib import Path

import pytest
from gateway_local.failure import SetupFailed
from gateway_local.first_steps import make_secrets, printed_key
from gateway_local.greeting import greeting
from gateway_local.layout import Home
from gateway_local.private_file import write_json
from gateway_local.remove import remove_data

from gateway_router.key_ring import read_key_ring

KEY = "gw-" + "a1B" * 16 + "x"
RUN = {
    "edge_url": "http://127.0.0.1:8080",
    "admin_key": "admin-1",
    "standard_key": KEY,
    "langchain_key": "langchain-1",
    "postgres_dsn": "postgresql://billing_reader@localhost/gateway",
}


def test_the_key_is_found_among_log_lines() -> None:
    assert printed_key(f'{{"message": "key created"}}\n{KEY}\n', "gw") == KEY


def test_an_output_without_a_key_of_that_kind_is_a_failure() -> None:
    with pytest.raises(SetupFailed, match="admin"):
        printed_key(KEY, "admin")


@pytest.mark.parametrize(
    ("environ", "model"),
    [
        ({}, "gpt-4o-mini"),
        ({"ANTHROPIC_API_KEY": "x"}, "claude-"),
        ({"GOOGLE_API_KEY_FILE": "/x"}, "gemini-"),
        ({"META_API_KEY": "x"}, "Llama-"),
    ],
)
def test_the_pasted_call_names_a_model_that_somebody_answers(environ: dict[str, str], model: str) -> None:
    text = greeting(RUN, environ, psql="psql", program="/srv/state/bin/gateway")
    assert f'"model": "{model}' in text
    assert f"Bearer {KEY}" in text
    assert ("the simulator" in text) == (not environ)
    assert "/srv/state/bin/gateway billing reconcile" in text


@pytest.mark.parametrize("name", ["key_pepper", "provider_key_ring"])
def test_secrets_are_made_once_and_private(tmp_path: Path, name: str) -> None:
    home = Home(tmp_path)
    make_secrets(home)
    secret = home.secrets / name
    first = secret.read_text()
    make_secrets(home)
    assert secret.read_text() == first
    assert len(first.strip()) >= 32
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_the_routers_key_ring_has_a_key(tmp_path: Path) -> None:
    make_secrets(Home(tmp_path))
    assert read_key_ring(Home(tmp_path).secrets / "provider_key_ring").current_id == "k1"


def test_json_files_are_private_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("older and longer than what comes")
    path.chmod(0o644)
    write_json(path, {"a": 1})
    assert json.loads(path.read_text()) == {"a": 1}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_clean_removes_the_data_and_nothing_else(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    for folder in ("bin", "postgres/data", "rabbitmq", "journal", "secrets", "mine"):
        (home.folder / folder).mkdir(parents=True)
    home.keys.write_text("{}")
    remove_data(home)
    assert [path.name for path in home.folder.iterdir()] == ["mine"]
    remove_data(Home(tmp_path / "never made"))
