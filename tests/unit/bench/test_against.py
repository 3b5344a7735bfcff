"""How another commit's worktree gets our environments."""

from pathlib import Path

from bench.against import lend_environments


def test_environments_are_lent_by_links_and_named_after_their_new_checkout(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours/.local", tmp_path / "theirs/.local"
    packages = ours / "venvs/edge/lib/python3.11/site-packages"
    packages.mkdir(parents=True)
    (packages / "large.py").write_text("x = 1\n")
    (packages / "agent_gateway.pth").write_text(f"{tmp_path}/ours/services/edge\n")
    (ours / "venvs/edge/stamp").write_text(f"digest 3.11.2 /usr/bin/python3 {tmp_path}/ours\n")
    (ours / "venvs/unfinished").mkdir()

    lend_environments(ours, theirs)

    lent = theirs / "venvs/edge/lib/python3.11/site-packages"
    assert (lent / "large.py").samefile(packages / "large.py")
    assert (lent / "agent_gateway.pth").read_text() == f"{tmp_path}/theirs/services/edge\n"
    assert (theirs / "venvs/edge/stamp").read_text().endswith(f" {tmp_path}/theirs\n")
    assert (packages / "agent_gateway.pth").read_text() == f"{tmp_path}/ours/services/edge\n"
    assert not (theirs / "venvs/unfinished").exists()
