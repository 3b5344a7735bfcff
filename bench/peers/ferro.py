"""Ferro (Go): the binary in its wheel; no auth, nothing recorded, no rate limit, no access log."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from gateway_local.command import Command, inherited_environment

from bench.peers.install import from_pypi
from bench.rig import Rig, Target, free_port, served

REQUIREMENT = "ferrogw==1.5.10"

_CONFIGURATION = "strategy: {mode: fallback}\ntargets: [{virtual_key: openai}]\n"


@contextmanager
def ferro(rig: Rig) -> Iterator[Target]:
    folder = rig.folder / "ferro"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(_CONFIGURATION)
    port = free_port()
    environment = {
        **inherited_environment(os.environ),
        "GATEWAY_CONFIG": str(folder / "config.yaml"),
        "PORT": str(port),
        "OPENAI_API_KEY": "sk-bench",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{rig.provider_port}/v1",
        "MASTER_KEY": "fgw_00000000000000000000000000000000",
        "ALLOW_UNAUTHENTICATED_PROXY": "true",
        "RATE_LIMIT_RPS": "0",
        "LOG_LEVEL": "error",
    }
    program = str(from_pypi("ferro", REQUIREMENT) / "ferrogw")
    with served("Ferro", Command((program, "serve"), environment, folder), port=port, log=folder / "log") as process:
        yield Target("Ferro", port, {"gateway": process.pid})
