"""The copy of the stored configuration beside the journal."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from gateway_router.configuration_copy import FILE_NAME, ConfigurationCopy, CopyUnreadable
from gateway_router.stored_provider import StoredRouting
from tests.unit.router.stored import CANARY, configuration, stored

EVERYTHING = replace(
    configuration(
        stored("acme", "key-number-one", "key-number-two", models=("a", "b-*"), aliases={"x": "a"}, call_timeout_s=2.5),
        stored("own", tenant_id="tenant", prices={"a": {"input": "0.25", "output": "0", "free": True}}),
        version=12,
    ),
    routing=StoredRouting(fallbacks={"a": ("b", "c")}, version=4),
)


def copy_in(folder: Path) -> ConfigurationCopy:
    return ConfigurationCopy(folder, writer="test.1")


def test_what_was_saved_is_what_is_loaded(tmp_path: Path) -> None:
    copy_in(tmp_path).save(EVERYTHING)
    assert copy_in(tmp_path).load() == EVERYTHING


def test_there_is_none_at_first(tmp_path: Path) -> None:
    assert copy_in(tmp_path).load() is None


def test_it_is_private_and_holds_no_key_in_clear(tmp_path: Path) -> None:
    copy_in(tmp_path).save(EVERYTHING)
    file = tmp_path / FILE_NAME
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not any(secret in file.read_text() for secret in (CANARY, "key-number-one"))
    assert list(tmp_path.iterdir()) == [file]


def test_what_stands_already_is_not_written_again(tmp_path: Path) -> None:
    copy_in(tmp_path).save(EVERYTHING)
    written = (tmp_path / FILE_NAME).stat()
    copy_in(tmp_path).save(EVERYTHING)
    assert (tmp_path / FILE_NAME).stat().st_ino == written.st_ino


def test_a_provider_that_is_gone_is_gone_from_it(tmp_path: Path) -> None:
    copy_in(tmp_path).save(EVERYTHING)
    copy_in(tmp_path).save(configuration(version=13))
    assert "acme" not in (tmp_path / FILE_NAME).read_text()


@pytest.mark.parametrize("content", ["", "{}", '{"format": 2}', '{"format": 1, "configuration": {}}', "[1]"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(CopyUnreadable):
        copy_in(tmp_path).load()
