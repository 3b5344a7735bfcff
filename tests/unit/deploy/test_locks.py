"""The lock files: complete, with hashes, and of no index; litellm for the router alone."""

import re
from pathlib import Path

import pytest
from gateway_local.layout import CHECKOUT, PACKAGES

LOCKS = {name: package.lock for name, package in PACKAGES.items()} | {
    name: CHECKOUT / f"requirements/{name}.txt" for name in ("dev", "bootstrap", "postgres")
}


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_every_requirement_is_pinned_with_hashes_and_no_address_is_named(lock: Path) -> None:
    text = lock.read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry
    assert "://" not in text
    assert "--index" not in text


def test_litellm_is_installed_for_the_router_and_in_no_other_service() -> None:
    with_litellm = {name for name, lock in LOCKS.items() if re.search(r"^litellm==", lock.read_text(), re.MULTILINE)}
    assert with_litellm == {"router", "dev"}
