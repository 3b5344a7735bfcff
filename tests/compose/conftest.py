"""One compose stack, built from the checkout, for all tests here; removed at the end with its volumes.

Not part of `make test`: `make test-compose` runs it, on the engine that `docker` reaches.
"""

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.compose.stack import BUILD_TIMEOUT_S, ComposeStack


@pytest.fixture(scope="session")
def engine() -> None:
    for program in ("docker", "psql", "make"):
        if shutil.which(program) is None:
            pytest.exit(f"the compose tests need `{program}`: install it", returncode=1)
    for command in (["docker", "version"], ["docker", "compose", "version"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode != 0:
            pytest.exit(f"no container engine answers `{' '.join(command)}`: {done.stderr.strip()}", returncode=1)


@pytest.fixture(scope="session")
def stack(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    stack = ComposeStack.described(tmp_path_factory.mktemp("home"))
    stack.compose("--profile", "demo", "build", "--quiet", timeout_s=BUILD_TIMEOUT_S)
    try:
        try:
            stack.compose("--profile", "demo", "up", "--detach", "--wait")
        except AssertionError:
            print(stack.compose("--profile", "demo", "logs", "--no-color", "--tail", "60"))
            raise
        stack.run("make", "--no-print-directory", "compose-credentials")
        yield stack
    finally:
        stack.compose("--profile", "demo", "down", "--volumes", "--remove-orphans")
