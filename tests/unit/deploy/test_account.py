"""Whether the account that runs Postgres can reach its folder."""

import os
from pathlib import Path

import pytest
from gateway_local.account import Account, can_traverse

STRANGER = Account("stranger", uid=os.getuid() + 4321, gid=os.getgid() + 4321)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose own parents, up to the root, let everybody through as far as the test can say."""
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.getuid() and parent.is_relative_to("/tmp") and parent != Path("/tmp"):
            parent.chmod(0o711)
    return inner


def test_ourselves_can_go_anywhere_that_we_are(folder: Path) -> None:
    folder.parent.chmod(0o700)
    assert can_traverse(None, folder)


def test_one_closed_parent_is_enough_to_keep_a_stranger_out(folder: Path) -> None:
    assert can_traverse(STRANGER, folder)
    assert can_traverse(STRANGER, folder / "not" / "made" / "yet")
    folder.parent.chmod(0o700)
    assert not can_traverse(STRANGER, folder)


def test_group_bits_count_for_members_of_the_group(folder: Path) -> None:
    member = Account("member", uid=STRANGER.uid, gid=os.getgid())
    folder.parent.chmod(0o710)
    assert can_traverse(member, folder)
    assert not can_traverse(STRANGER, folder)
