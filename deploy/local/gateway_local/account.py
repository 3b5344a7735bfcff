"""Postgres refuses to run as root: as root, its processes belong to an unprivileged account."""

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gateway_local.failure import SetupFailed

DISTRIBUTION_ACCOUNT = "postgres"
OWN_ACCOUNT = "agent-gateway"


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    uid: int
    gid: int

    def owns(self, path: Path) -> None:
        """Gives `path`, and all below it, to this account."""
        for entry in (path, *path.rglob("*")):
            os.chown(entry, self.uid, self.gid, follow_symlinks=False)


def unprivileged_account(data: Path) -> Account | None:
    """Who runs a server whose data is, or will be, in `data`; None stands for ourselves.

    As root: the owner of the data when it is there, else the distribution's account, else one of our
    own, which is made now.
    """
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        return _account(pwd.getpwuid(data.stat().st_uid))
    for name in (DISTRIBUTION_ACCOUNT, OWN_ACCOUNT):
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    return _create_own_account()


def can_traverse(account: Account | None, folder: Path) -> bool:
    """Whether `account` can reach `folder` (which need not exist yet) through all its parents."""
    return account is None or all(
        _may_enter(account, parent.stat()) for parent in (folder, *folder.parents) if parent.exists()
    )


def _may_enter(account: Account, status: os.stat_result) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _create_own_account() -> Account:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin")
    if useradd is None:
        raise SetupFailed(
            "Postgres does not run as root, and there is no useradd to make an account for it."
            f" Make a system account named {OWN_ACCOUNT}, or run this as another user than root."
        )
    subprocess.run(
        [useradd, "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", OWN_ACCOUNT],
        check=True,
    )
    return _account(pwd.getpwnam(OWN_ACCOUNT))


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
