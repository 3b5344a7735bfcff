"""Python environments from lock files: one per service, so that litellm is in the router's only, and one to develop in.

An environment is stamped with what it was made from, so a second run takes no time.
"""

import fcntl
import hashlib
import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway_local import apt
from gateway_local.command import Command, inherited_environment
from gateway_local.failure import SetupFailed
from gateway_local.layout import CHECKOUT, TOOLS, Package
from gateway_local.progress import tell

BOOTSTRAP = TOOLS / "bootstrap"
UV = BOOTSTRAP / "bin/uv"
_BOOTSTRAP_LOCK = CHECKOUT / "requirements/bootstrap.txt"
_OUR_PATHS = "agent_gateway.pth"
_AS_LOCKED = ("--quiet", "--require-hashes")


def environment_folder(package: Package) -> Path:
    return TOOLS / "venvs" / package.name


def python_of(package: Package) -> Path:
    return environment_folder(package) / "bin/python"


def ensure_environment(package: Package, lock: Path | None = None) -> None:
    """What the lock says, exactly, and our packages importable from the checkout (no build step)."""
    lock = lock or package.lock
    folder = environment_folder(package)
    with _one_at_a_time():
        if _is_current(folder, lock):
            return
        began_s = time.monotonic()
        ensure_uv()
        if not _has_this_python(folder):
            _uv("venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        (folder / "stamp").unlink(missing_ok=True)
        _install(folder, lock)
        site_packages = next(folder.glob("lib/python3*/site-packages"))
        (site_packages / _OUR_PATHS).write_text("".join(f"{path}\n" for path in package.imports))
        _stamp(folder, lock)
        tell(f"environment of {package.name}: installed in {time.monotonic() - began_s:.0f} s")


def ensure_uv() -> Path:
    """The installer, itself from a lock, in an environment of its own."""
    if not _is_current(BOOTSTRAP, _BOOTSTRAP_LOCK):
        if importlib.util.find_spec("ensurepip") is None:
            apt.install(
                f"python{sys.version_info.major}.{sys.version_info.minor}-venv", needed_for="Python's venv with pip"
            )
        _run(sys.executable, "-m", "venv", "--clear", str(BOOTSTRAP))
        _pip(BOOTSTRAP, "install", *_AS_LOCKED, "-r", str(_BOOTSTRAP_LOCK))
        _stamp(BOOTSTRAP, _BOOTSTRAP_LOCK)
    return UV


def install_into(folder: Path, lock: Path) -> None:
    """The packages of `lock`, without an environment around them."""
    with _one_at_a_time():
        ensure_uv()
        where = ["--target", str(folder), "-r", str(lock)]
        try:
            _uv("pip", "install", *_AS_LOCKED, "--no-deps", "--python", sys.executable, *where)
        except SetupFailed:
            _tell_about_pip()
            _pip(BOOTSTRAP, "install", *_AS_LOCKED, "--no-deps", *where)


def _install(folder: Path, lock: Path) -> None:
    python = str(folder / "bin/python")
    try:
        _uv("pip", "sync", *_AS_LOCKED, "--python", python, str(lock))
    except SetupFailed:
        _tell_about_pip()
        _pip(BOOTSTRAP, "--python", python, "install", *_AS_LOCKED, "--no-deps", "-r", str(lock))


def _tell_about_pip() -> None:
    tell("uv could not install the packages; trying pip, which has the system's certificates and pip's settings")


def _uv(*arguments: str) -> None:
    _run(str(UV), *arguments)


def _pip(environment: Path, *arguments: str) -> None:
    try:
        _run(str(environment / "bin/python"), "-m", "pip", *arguments)
    except SetupFailed as error:
        raise SetupFailed(f"{error}\nPackages could not be installed. Check the network, then try again.") from error


def _run(*arguments: str) -> None:
    environment = inherited_environment(os.environ)
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    Command(arguments, environment, CHECKOUT).run(timeout_s=1800)


def _is_current(folder: Path, lock: Path) -> bool:
    try:
        return (folder / "stamp").read_text() == _made_from(lock)
    except FileNotFoundError:
        return False


def _has_this_python(folder: Path) -> bool:
    """Whether an environment is there to be brought up to date, on the same interpreter."""
    try:
        return (folder / "bin/python").resolve(strict=True) == Path(sys.executable).resolve()
    except (FileNotFoundError, RuntimeError):
        return False


def _stamp(folder: Path, lock: Path) -> None:
    (folder / "stamp").write_text(_made_from(lock))


def _made_from(lock: Path) -> str:
    """The lock, the interpreter and the place: an environment does not survive a move of the checkout."""
    lock_digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    return f"{lock_digest} {sys.version.split()[0]} {sys.executable} {CHECKOUT}\n"


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    TOOLS.mkdir(parents=True, exist_ok=True)
    with (TOOLS / "environments.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
