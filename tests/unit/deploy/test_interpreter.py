"""What the runner says of the interpreter."""

import pytest
from gateway_local.interpreter import described


@pytest.mark.parametrize(
    ("prefix", "flags", "says"),
    [
        ("/usr/local", "-O3 -fprofile-use -fprofile-correction", "built with PGO"),
        ("/opt/python", "'--enable-optimizations' '--with-lto'", "built with PGO"),
        ("/usr", "-O2", "the distribution's build"),
        ("/home/me/.pyenv/versions/3.11.7", "-O3", "built without PGO: one with it takes a third less CPU"),
    ],
)
def test_the_build_is_told_by_its_flags(prefix: str, flags: str, says: str) -> None:
    line = described(version="3.11.7", executable="/x/python3", prefix=prefix, flags=flags)
    assert line.startswith(f"Python 3.11.7 of /x/python3, {says}")
