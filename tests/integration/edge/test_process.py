"""The edge as a process: settings, migrate, keys, serve, drain."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import orjson
import pytest

from gateway_shared.hop_server import HopAnswer, HopCall
from tests.integration.edge.conftest import Keys
from tests.integration.edge.running_edge import CHAT, GOOD, PEPPER
from tests.integration.edge.stand_in_router import StandInRouter
from tests.ports import free_ports
from tests.servers import Postgres

COMMAND = [sys.executable, "-m", "gateway_edge"]


def environment(server: Postgres, role: str, **settings: str) -> dict[str, str]:
    files = server.tls_files(role)
    return {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "HOME")},
        "TLS_CA_FILE": str(files.ca_file),
        "TLS_CERT_FILE": str(files.cert_file),
        "TLS_KEY_FILE": str(files.key_file),
        "POSTGRES_DSN": server.dsn(role),
        "KEY_PEPPER": PEPPER.reveal(),
        "DRAIN_NOTICE_S": "0",
        **settings,
    }


def run(server: Postgres, role: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *arguments], env=environment(server, role), capture_output=True, text=True, timeout=30, check=False
    )


def test_every_missing_setting_is_named_and_the_status_is_2() -> None:
    done = subprocess.run(
        COMMAND, env={"KEY_PEPPER": "short", "EDGE_TLS_CERT": "x"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    for name in ("TLS_CA_FILE", "TLS_CERT_FILE", "TLS_KEY_FILE", "POSTGRES_DSN", "KEY_PEPPER: shorter"):
        assert name in done.stderr
    assert "Traceback" not in done.stderr


def test_migrate_may_be_run_again(edge_database: Postgres) -> None:
    done = run(edge_database, "operator", "migrate")
    assert (done.returncode, done.stdout) == (0, "nothing to apply\n")


@pytest.mark.parametrize("arguments", [("list",), ("create", "--user", "u", "--kind", "gw")])
def test_keys_say_in_a_sentence_that_the_database_is_away(edge_database: Postgres, arguments: tuple[str, ...]) -> None:
    env = environment(edge_database, "operator", POSTGRES_DSN="postgresql://operator@localhost:1/gateway")
    done = subprocess.run(
        [*COMMAND, "keys", *arguments], env=env, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("the database cannot be reached")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("days", ["0", "-1", "nan", "1e300"])
def test_no_key_is_made_that_has_expired_already(edge_database: Postgres, days: str) -> None:
    done = run(edge_database, "operator", "keys", "create", "--user", "u", "--kind", "gw", "--expires-in-days", days)
    assert (done.returncode, done.stdout) == (2, "")


def test_keys_are_made_and_revoked_by_operator_and_by_edge(edge_database: Postgres) -> None:
    for role in ("operator", "edge"):
        made = run(edge_database, role, "keys", "create", "--tenant", "t", "--user", "u", "--kind", "gw")
        assert made.returncode == 0, made.stderr
        assert made.stdout.splitlines()[-1].startswith("gw-")
        key_id = made.stdout.split()[1]
        assert run(edge_database, role, "keys", "revoke", key_id).returncode == 0
        assert run(edge_database, role, "keys", "revoke", key_id).returncode == 1


def test_a_key_of_a_plan_that_is_not_there_is_explained(edge_database: Postgres) -> None:
    done = run(edge_database, "edge", "keys", "create", "--user", "u", "--kind", "gw", "--plan", "golden")
    assert (done.returncode, done.stderr) == (1, "tenant default has no plan golden\n")


class Process:
    def __init__(self, process: asyncio.subprocess.Process, port: int, ops_port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.ops_url = f"http://127.0.0.1:{ops_port}"


@asynccontextmanager
async def served(server: Postgres, router: StandInRouter, **settings: str) -> AsyncIterator[Process]:
    port, ops_port = free_ports(2)
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        env=environment(
            server, "edge", ROUTER_URL=router.url, EDGE_PORT=str(port), EDGE_OPS_PORT=str(ops_port), **settings
        ),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            while b'"serving"' not in await process.stdout.readline():
                assert process.returncode is None
        yield Process(process, port, ops_port)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


class Slow:
    """A stream whose second event waits for `go_on`."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def __call__(self, call: HopCall, answer: HopAnswer) -> None:
        await answer.start(200, {"Content-Type": "text/event-stream"})
        await answer.write(b"data: 1\n\n")
        await self.go_on.wait()
        await answer.write(b"data: [DONE]\n\n")


@pytest.mark.parametrize("finishes", [True, False], ids=["that finishes in time", "that does not"])
async def test_sigterm_gives_a_stream_its_time_and_exits_0(
    edge_database: Postgres, api_keys: Keys, finishes: bool
) -> None:
    headers = {"Authorization": f"Bearer {api_keys.gw}", "Content-Type": "application/json"}
    async with (
        StandInRouter().running(edge_database.tls_files("router")) as router,
        served(edge_database, router, DRAIN_S="20" if finishes else "0.5") as edge,
        aiohttp.ClientSession() as session,
    ):
        router.answer = slow = Slow()
        body = orjson.dumps({**GOOD, "stream": True})
        async with session.post(edge.url + CHAT, data=body, headers=headers) as answer:
            assert await answer.content.readany() == b"data: 1\n\n"
            async with session.get(f"{edge.ops_url}/ready") as ready:
                assert ready.status == 200
            edge.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(3):
                while await _ready(session, edge) != 503:
                    continue
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(f"{edge.url}/health")
            if finishes:
                slow.go_on.set()
                assert await answer.content.read() == b"data: [DONE]\n\n"
            else:
                rest = await answer.content.read()
                assert rest.startswith(b'data: {"error":{"message":"The gateway is restarting."')
                assert b"[DONE]" not in rest
        async with asyncio.timeout(10):
            assert await edge.process.wait() == 0


async def _ready(session: aiohttp.ClientSession, edge: Process) -> int:
    async with session.get(f"{edge.ops_url}/ready") as answer:
        return answer.status


async def test_without_the_database_an_edge_is_ready_as_long_as_it_can_serve_a_key(
    edge_database: Postgres, api_keys: Keys
) -> None:
    async with (
        StandInRouter().running(edge_database.tls_files("router")) as router,
        served(edge_database, router) as warm,
        served(edge_database, router) as cold,
        aiohttp.ClientSession() as session,
    ):
        headers = {"Authorization": f"Bearer {api_keys.gw}"}
        async with session.get(f"{warm.url}/v1/models", headers=headers) as answer:
            assert answer.status == 200
        edge_database.kill()
        try:
            assert await _ready(session, warm) == 200
            assert await _ready(session, cold) == 503
            async with session.get(f"{warm.ops_url}/health") as answer:
                health = await answer.json()
            assert (health["status"], health["ready"]) == ("degraded", True)
            assert health["checks"]["database"] != "ok"
            async with session.get(f"{warm.url}/v1/models", headers=headers) as answer:
                assert answer.status == 200
        finally:
            edge_database.start()
        async with asyncio.timeout(10):
            while await _ready(session, cold) != 200:
                continue


async def test_no_prompt_and_no_key_is_in_the_log(edge_database: Postgres, api_keys: Keys) -> None:
    headers = {"Authorization": f"Bearer {api_keys.gw}", "Content-Type": "application/json"}
    prompt = {"model": "gpt-4o", "messages": [{"role": "user", "content": "canary-prompt"}]}
    async with (
        StandInRouter().running(edge_database.tls_files("router")) as router,
        served(edge_database, router) as edge,
        aiohttp.ClientSession() as session,
    ):
        for body in (orjson.dumps(prompt), orjson.dumps(prompt) + b"!", orjson.dumps({**prompt, "model": "a b"})):
            async with session.post(edge.url + CHAT, data=body, headers=headers) as answer:
                await answer.read()
        edge.process.send_signal(signal.SIGTERM)
        assert edge.process.stdout is not None
        log = await edge.process.stdout.read()
    lines = [orjson.loads(line) for line in log.splitlines()]
    requests = [line for line in lines if line["message"] == "request"]
    assert [line["status"] for line in requests] == [200, 400, 400]
    assert requests[0]["route"] == CHAT
    assert (requests[0]["tenant_id"], requests[0]["channel"], requests[0]["model"]) == ("default", "standard", "gpt-4o")
    assert b"canary" not in log
    assert api_keys.gw[3:].encode() not in log
