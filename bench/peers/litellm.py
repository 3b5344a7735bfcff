"""LiteLLM's proxy (Python): one worker, no database, no master key, no callbacks."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from gateway_local.command import Command, inherited_environment

from bench.peers.install import from_pypi
from bench.rig import Rig, Target, free_port, served

REQUIREMENT = "litellm[proxy]==1.106.2"


@contextmanager
def litellm(rig: Rig) -> Iterator[Target]:
    folder = rig.folder / "litellm"
    folder.mkdir(parents=True, exist_ok=True)
    upstream = {"model": "openai/gpt-4o", "api_base": f"http://127.0.0.1:{rig.provider_port}/v1", "api_key": "sk-bench"}
    configuration = {
        "model_list": [{"model_name": "gpt-4o", "litellm_params": upstream}],
        "litellm_settings": {"num_retries": 0, "telemetry": False},
    }
    (folder / "config.yaml").write_text(json.dumps(configuration))  # JSON is YAML
    port = free_port()
    environment = {
        **inherited_environment(os.environ),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
        "LITELLM_LOG": "ERROR",
    }
    program = str(from_pypi("litellm", REQUIREMENT) / "litellm")
    arguments = (
        program, "--config", str(folder / "config.yaml"), "--host", "127.0.0.1", "--port", str(port),
        "--num_workers", "1",
    )  # fmt: skip
    with served("LiteLLM", Command(arguments, environment, folder), port=port, log=folder / "log") as process:
        yield Target("LiteLLM", port, {"proxy": process.pid}, carries_open_streams=False)
