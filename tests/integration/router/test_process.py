"""The router as a process: its ports, its refusals, and its end by SIGTERM, without broker and database."""

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from gateway_router.configuration_copy import ConfigurationCopy
from gateway_router.key_ring import KEY_BYTES, read_key_ring
from gateway_shared.hop_client import HopClient
from gateway_shared.tls import client_context
from tests.integration.router.router_rig import Simulator, call_parts, until
from tests.integration.router.test_calls import asking, data_of
from tests.ports import free_ports
from tests.recordings import Received
from tests.servers import Certificates
from tests.unit.router.stored import configuration, stored

START_S = 60


@asynccontextmanager
async def running_router(
    certificates: Certificates, folder: Path, simulator: Simulator, **environ: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, int, int]]:
    """The process, its hop's port and its operations port, when it is ready."""
    port, ops_port = free_ports(2)
    files = certificates.files("router")
    with (folder / "router.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway_router",
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.pathsep.join(sys.path),
                "TLS_CA_FILE": str(files.ca_file),
                "TLS_CERT_FILE": str(files.cert_file),
                "TLS_KEY_FILE": str(files.key_file),
                "JOURNAL_DIR": str(folder / "journal"),
                "AMQP_URL": "amqps://localhost:1/",
                "POSTGRES_DSN": "postgresql://router@localhost:1/gateway",
                "ROUTER_PORT": str(port),
                "ROUTER_OPS_PORT": str(ops_port),
                "ROUTER_INSTANCE": "test",
                "SIMULATOR_URL": simulator.url,
                "EGRESS_ALLOW_HOSTS": simulator.url.removeprefix("http://"),
                **environ,
            },
            stdout=log,
            stderr=asyncio.subprocess.STDOUT,
        )
    try:

        async def is_ready() -> bool:
            assert process.returncode is None, (folder / "router.log").read_text()
            return await status_of(ops_port) == 200

        await until(is_ready, timeout_s=START_S)
        yield process, port, ops_port
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def status_of(ops_port: int) -> int | None:
    try:
        async with aiohttp.request("GET", f"http://127.0.0.1:{ops_port}/ready") as response:
            return response.status
    except aiohttp.ClientError:
        return None


async def test_it_starts_answers_drains_and_ends(
    certificates: Certificates, tmp_path: Path, simulator: Simulator
) -> None:
    async with running_router(certificates, tmp_path, simulator, DRAIN_S="1") as (process, port, ops_port):
        hop = HopClient(f"https://localhost:{port}", client_context(certificates.files("edge")))

        async def call(text: str) -> Received:
            head, rest = call_parts(asking("openai", text, stream=True))
            async with hop.request("chat.completions", head, rest) as response:
                return Received(response.status, dict(response.headers), await response.read())

        assert data_of(await call("secret-prompt [[sim words=3]]"))[-1] == "[DONE]"
        async with aiohttp.request("GET", f"http://127.0.0.1:{ops_port}/metrics") as response:
            metrics = await response.text()
        assert 'gateway_router_calls_total{provider="openai",status_class="2xx"} 1.0' in metrics
        ending = asyncio.create_task(call("one [[sim words=20 delay_ms=20]]"))
        stuck = asyncio.create_task(call("one [[sim words=5 stall_after=2]]"))

        async def both_are_open() -> bool:
            return bool((await simulator.stats())["open_streams"] == 2)

        await until(both_are_open, timeout_s=10)
        process.send_signal(signal.SIGTERM)

        async def is_unready() -> bool:
            return await status_of(ops_port) == 503

        await until(is_unready, timeout_s=3)
        assert data_of(await ending)[-1] == "[DONE]"
        assert data_of(await stuck)[-1]["error"]["code"] == "overloaded"
        async with asyncio.timeout(15):
            assert await process.wait() == 0
        await hop.close()
    log = (tmp_path / "router.log").read_text()
    assert "secret-prompt" not in log
    lines = [json.loads(line) for line in log.splitlines()]
    calls = [line for line in lines if line["message"] == "call"]
    assert [(line["status"], line["finish_state"]) for line in calls] == [
        ("settled", "complete"),
        ("settled", "complete"),
        ("partial", "gateway_lost"),
    ]


async def test_without_postgres_it_starts_with_the_stored_providers_it_knew_last(
    certificates: Certificates, tmp_path: Path, simulator: Simulator
) -> None:
    ring_file, journal_dir = tmp_path / "ring", tmp_path / "journal"
    ring_file.write_text(f"k1 {base64.b64encode(bytes(KEY_BYTES)).decode()}\n")
    journal_dir.mkdir()
    mine = stored("mine", base_url=f"{simulator.url}/openai/v1", key_ring=read_key_ring(ring_file))
    ConfigurationCopy(journal_dir, writer="test").save(configuration(mine, version=5))
    async with running_router(certificates, tmp_path, simulator, PROVIDER_KEY_RING_FILE=str(ring_file)) as running:
        _, port, ops_port = running
        async with aiohttp.request("GET", f"http://127.0.0.1:{ops_port}/health") as response:
            health = await response.json()
        assert health["configuration"] == {"version": 5, "source": "copy", "hears_changes": False, "unusable": {}}
        hop = HopClient(f"https://localhost:{port}", client_context(certificates.files("edge")))
        head, rest = call_parts({**asking("openai", "one two"), "model": "mine/gpt-4o"})
        async with hop.request("chat.completions", head, rest) as answer:
            assert (answer.status, answer.headers["x-gateway-provider"]) == (200, "mine")
        await hop.close()


async def test_litellm_is_imported_once_before_any_worker_is_forked(
    certificates: Certificates, tmp_path: Path, simulator: Simulator
) -> None:
    told = tmp_path / "forks"
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def tell():\n"
        f"    with open({str(told)!r}, 'a') as file:\n"
        "        print('litellm.main' in sys.modules, file=file)\n"
        "os.register_at_fork(before=tell)\n"
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    async with running_router(certificates, tmp_path, simulator, PYTHONPATH=path, ROUTER_WORKERS="2"):
        assert told.read_text().splitlines() == ["True", "True"]


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://10.1.1.1/v1"}, "OPENAI_BASE_URL"),
        ({"ABANDONED_STREAM": "maybe"}, "ABANDONED_STREAM"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL"),
        ({"ROUTER_INSTANCE": "../elsewhere"}, "ROUTER_INSTANCE"),
        ({"JOURNAL_DIR": "/proc/nowhere"}, "JOURNAL_DIR"),
        ({"PROVIDER_KEY_RING_FILE": "/dev/null"}, "PROVIDER_KEY_RING_FILE"),
        ({}, "JOURNAL_DIR"),
    ],
)
async def test_wrong_settings_are_told_and_end_it_with_2(environ: dict[str, str], problem: str, tmp_path: Path) -> None:
    required = dict.fromkeys(("TLS_CA_FILE", "TLS_CERT_FILE", "TLS_KEY_FILE", "AMQP_URL", "POSTGRES_DSN"), "x")
    if environ and "JOURNAL_DIR" not in environ:
        required["JOURNAL_DIR"] = str(tmp_path)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway_router",
        "serve",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **required, **environ},
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        _, said = await process.communicate()
    assert process.returncode == 2
    assert problem in said.decode()
    assert "Traceback" not in said.decode()
