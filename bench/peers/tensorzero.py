"""TensorZero (Rust): the HTTP gateway that its Python wheel carries; no auth, nothing recorded."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from gateway_local.command import Command, inherited_environment, tail_of

from bench.peers.install import from_pypi
from bench.rig import POLL_S, READY_TIMEOUT_S, Absent, Rig, Target, end

REQUIREMENT = "tensorzero==2026.6.0"

_CONFIGURATION = """\
[gateway]
observability.enabled = false

[models.bench]
routing = ["provider"]

[models.bench.providers.provider]
type = "openai"
api_base = "http://127.0.0.1:{port}/v1/"
model_name = "gpt-4o"
api_key_location = "none"
"""

_PROGRAM = """\
import signal, sys
from tensorzero import tensorzero
gateway = tensorzero._start_http_gateway(
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
)
print(gateway.base_url, flush=True)
signal.pause()
"""


@contextmanager
def tensorzero(rig: Rig) -> Iterator[Target]:
    folder = rig.folder / "tensorzero"
    folder.mkdir(parents=True, exist_ok=True)
    configuration, log = folder / "tensorzero.toml", folder / "log"
    configuration.write_text(_CONFIGURATION.format(port=rig.provider_port))
    log.unlink(missing_ok=True)
    python = str(from_pypi("tensorzero", REQUIREMENT) / "python")
    environment = {**inherited_environment(os.environ), "RUST_LOG": "warn"}
    process = Command((python, "-c", _PROGRAM, str(configuration)), environment, folder).start(log)
    try:
        url = urlsplit(_announced(log, process.poll))
        assert url.port
        yield Target(
            "TensorZero",
            url.port,
            {"gateway": process.pid},
            path=f"{url.path}/chat/completions",
            models={"openai": "tensorzero::model_name::bench"},
        )
    finally:
        end(process)


def _announced(log: Path, ended: Callable[[], int | None]) -> str:
    """It picks its own port, and says which."""
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    while ended() is None and time.monotonic() < deadline_s:
        lines = log.read_text().splitlines()
        if lines and lines[-1].startswith("http://"):
            return lines[-1]
        time.sleep(POLL_S)
    raise Absent(f"it did not start: {tail_of(log.read_text(errors='replace'), 3)}")
