"""Another commit of ours beside the working tree: a worktree with its own data, ports and environments."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gateway_local.environments import BOOTSTRAP
from gateway_local.layout import CHECKOUT, TOOLS

from bench.peers.gateway import running
from bench.rig import Absent, Rig, Target

_STAMP = "stamp"
_PATHS = "agent_gateway.pth"


@contextmanager
def other_commit(rig: Rig, commit: str) -> Iterator[Target]:
    """The stack of `commit`. Raises Absent when there is no such commit, or it does not start."""
    with (
        worktree(commit, rig.folder / "against") as (checkout, short_hash),
        running(rig, short_hash, checkout, checkout / ".local") as target,
    ):
        yield target


@contextmanager
def worktree(commit: str, parent: Path) -> Iterator[tuple[Path, str]]:
    """Its folder in `parent`, which is gone after the block, and the commit's short hash."""
    short_hash = _git("rev-parse", "--short", f"{commit}^{{commit}}").strip()
    folder = parent / short_hash
    with ExitStack() as stack:
        _git("worktree", "add", "--quiet", "--detach", str(folder), short_hash)
        stack.callback(_discard, folder)
        lend_environments(TOOLS, folder / ".local")
        yield folder, short_hash


def lend_environments(ours: Path, theirs: Path) -> None:
    """Our environments as theirs, by hard links: where the locks are equal nothing is installed again.

    An environment names its checkout in two files, its stamp and the path of our packages; those are copies.
    A stamp whose lock differs makes `make start` install what its own lock says.
    """
    theirs.mkdir(parents=True)
    for folder in (ours / BOOTSTRAP.name, *sorted((ours / "venvs").iterdir())):
        if not (folder / _STAMP).exists():
            continue
        lent = theirs / folder.relative_to(ours)
        shutil.copytree(folder, lent, copy_function=_link, symlinks=True)
        for file in (lent / _STAMP, *lent.glob(f"lib/*/site-packages/{_PATHS}")):
            text = file.read_text().replace(str(ours.parent), str(theirs.parent))
            file.unlink()
            file.write_text(text)


def _link(source: str, destination: str) -> None:
    Path(destination).hardlink_to(source)


def _discard(folder: Path) -> None:
    _git("worktree", "remove", "--force", str(folder))
    shutil.rmtree(folder, ignore_errors=True)


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Absent(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout
