"""Debian's packages: installed when we are root, else the sentence that says how."""

import os
import shutil
from pathlib import Path

from gateway_local.command import Command, inherited_environment
from gateway_local.failure import SetupFailed
from gateway_local.progress import tell

_POLICY = Path("/usr/sbin/policy-rc.d")
_REFUSE_STARTS = "#!/bin/sh\nexit 101\n"


def install(package: str, *, needed_for: str, service: str | None = None) -> None:
    """Installs `package`; `service`, which it would bring up at boot, stays off: we run our own. Raises SetupFailed."""
    if shutil.which("apt-get") is None:
        raise SetupFailed(f"{needed_for} is missing. Install it (Debian's package is {package}) and try again.")
    if os.geteuid() != 0:
        raise SetupFailed(f"{needed_for} is missing. Install it with `sudo apt-get install {package}` and try again.")
    tell(f"installing {package} with apt-get (a minute or two)")
    ours = not _POLICY.exists()
    if ours:
        _POLICY.write_text(_REFUSE_STARTS)
        _POLICY.chmod(0o755)
    try:
        _apt_get("update", "-qq")
        _apt_get("install", "-y", "-qq", "--no-install-recommends", package)
    finally:
        if ours:
            _POLICY.unlink()
    if service and shutil.which("systemctl"):
        _command("systemctl", "disable", service).run()


def _apt_get(*arguments: str) -> None:
    _command("apt-get", *arguments).run(timeout_s=900)


def _command(*arguments: str) -> Command:
    environment = {**inherited_environment(os.environ), "DEBIAN_FRONTEND": "noninteractive"}
    return Command(arguments, environment, Path("/"))
