from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway_shared.settings import Secret, SettingsInvalid, read_settings, setting


@dataclass(frozen=True, kw_only=True)
class Example:
    port: int = setting("PORT", 8080)
    pepper: Secret = setting("PEPPER")
    hosts: tuple[str, ...] = setting("HOSTS", ())
    public: bool = setting("PUBLIC", False)
    mode: str = setting("MODE", "close", choices=("close", "drain"))
    key: Secret | None = setting("API_KEY", None)
    folder: Path = setting("FOLDER")


GOOD = {"PEPPER": "s3cret", "FOLDER": "/somewhere"}


def test_values_are_converted_and_defaults_kept() -> None:
    settings = read_settings(Example, {**GOOD, "PORT": "1", "HOSTS": "a:1, b:2", "PUBLIC": "1"})
    assert (settings.port, settings.hosts, settings.public, settings.mode) == (1, ("a:1", "b:2"), True, "close")
    assert settings.folder == Path("/somewhere")
    assert settings.key is None


def test_a_secret_comes_from_a_file_and_does_not_show(tmp_path: Path) -> None:
    file = tmp_path / "pepper"
    file.write_text("from-file\n")
    settings = read_settings(Example, {"PEPPER_FILE": str(file), "FOLDER": "x"})
    assert settings.pepper.reveal() == "from-file"
    assert "from-file" not in repr(settings) + str(settings.pepper)


def test_all_problems_are_reported_together() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        read_settings(Example, {"PORT": "eighty", "MODE": "other", "PUBLIC": "perhaps", "API_KEY_FILE": "/no/such"})
    text = str(caught.value)
    for name in ("PORT", "PEPPER", "MODE", "PUBLIC", "API_KEY", "FOLDER"):
        assert name in text
    assert len(caught.value.problems) == 6


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "1e999"])
def test_numbers_are_finite_and_not_negative(text: str) -> None:
    with pytest.raises(SettingsInvalid):
        read_settings(Example, {**GOOD, "PORT": text})


def test_an_empty_value_counts_as_not_set() -> None:
    assert read_settings(Example, {**GOOD, "PORT": "", "API_KEY": ""}).port == 8080


def test_a_value_and_a_file_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="not both"):
        read_settings(Example, {**GOOD, "PEPPER_FILE": str(tmp_path)})
