"""Which Postgres runs, and what is said when none can."""

from pathlib import Path

import pytest
from gateway_local.postgres_binaries import Binaries, another_major, binaries_in, choose, data_major

FOUND = [Binaries(Path(f"/usr/lib/postgresql/{major}/bin"), major) for major in (13, 15, 17)]


@pytest.mark.parametrize(("made_by", "expected"), [(None, 17), (15, 15), (17, 17), (13, None), (16, None), (18, None)])
def test_new_data_takes_the_newest_and_old_data_its_own_major(made_by: int | None, expected: int | None) -> None:
    chosen = choose(FOUND, made_by=made_by)
    assert (chosen and chosen.major) == expected


def test_data_of_another_major_says_who_made_it_and_the_ways_out(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("16\n")
    assert data_major(tmp_path) == 16
    message = str(another_major(tmp_path, 16, FOUND))
    assert f"The data in {tmp_path} was made by PostgreSQL 16" in message
    assert "postgresql-16" in message
    assert "make clean" in message


def test_no_data_has_no_major(tmp_path: Path) -> None:
    assert data_major(tmp_path) is None


@pytest.mark.parametrize(
    "version", ["postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "postgres (PostgreSQL) 15rc1"]
)
def test_the_major_is_read_from_the_program_itself(tmp_path: Path, version: str) -> None:
    for name in ("postgres", "initdb"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{version}'\n")
        (tmp_path / name).chmod(0o755)
    assert binaries_in(tmp_path) == Binaries(tmp_path, 15)


def test_a_client_only_installation_is_no_server(tmp_path: Path) -> None:
    (tmp_path / "psql").write_text("#!/bin/sh\n")
    assert binaries_in(tmp_path) is None
