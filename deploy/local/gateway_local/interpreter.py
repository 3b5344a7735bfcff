"""How the Python of the services was built: with profile-guided optimisation (PGO) they take a third less CPU."""

import platform
import sys
import sysconfig


def told() -> str:
    """One line about this interpreter, which every environment is made from."""
    names = ("PY_CORE_CFLAGS", "CONFIG_ARGS", "PY_CFLAGS")
    flags = " ".join(str(sysconfig.get_config_var(name) or "") for name in names)
    return described(version=platform.python_version(), executable=sys.executable, prefix=sys.base_prefix, flags=flags)


def described(*, version: str, executable: str, prefix: str, flags: str) -> str:
    """What the build's flags tell. Distributions hide theirs and build with PGO."""
    line = f"Python {version} of {executable}"
    if "-fprofile-use" in flags or "--enable-optimizations" in flags:
        return f"{line}, built with PGO"
    if prefix == "/usr":
        return f"{line}, the distribution's build"
    return f"{line}, built without PGO: one with it takes a third less CPU (PYTHON=/usr/bin/python3 chooses another)"
