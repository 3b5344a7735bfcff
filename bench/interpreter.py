"""How the Python that runs a stack was built: profile-guided optimisation is worth a third of the CPU."""

import json
import subprocess
from pathlib import Path

_ASK = """\
import json, platform, sysconfig
say = lambda name: sysconfig.get_config_var(name) or ""
print(json.dumps({
    "version": platform.python_version(), "prefix": sysconfig.get_config_var("prefix"),
    "flags": " ".join(map(say, ("PY_CORE_CFLAGS", "CONFIG_ARGS", "PY_CFLAGS", "PY_CORE_LDFLAGS"))),
}))
"""


def interpreter(python: Path) -> str:
    """Of the environment of a service."""
    return described(**json.loads(subprocess.check_output([python, "-c", _ASK])))


def described(*, version: str, prefix: str, flags: str) -> str:
    """What the flags tell. A distribution that hides them is said to be one."""
    if "-fprofile-use" in flags or "--enable-optimizations" in flags:
        build = "PGO build"
    elif prefix == "/usr":
        build = "distribution build"
    else:
        build = "plain build"
    return f"Python {version} ({build})"
