"""Providers by the API: as docs/providers.md tells a new user, and on three routers at once."""

import asyncio
import os
import re
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway_shared.call_head import Caller, CallHead
from gateway_shared.hop_client import HopClient
from gateway_shared.tls import TlsFiles, client_context
from tests.acceptance.beside import Process, edge_with_routers
from tests.acceptance.stack import ROOT, Stack, get_json

DOCUMENT = (ROOT / "docs" / "providers.md").read_text()
BLOCKS = dict(re.findall(r"<!-- test: (\w+) -->\n```\w*\n(.*?)```", DOCUMENT, flags=re.DOTALL))
COMMAND_TIMEOUT_S = 60
IN_FORCE_WITHIN_S = 2.0
"""The stated bound, on every router."""


def test_every_marked_block_is_known_here() -> None:
    assert set(BLOCKS) == {"add", "use", "try", "remove"}


async def test_a_new_user_adds_a_server_by_one_curl_uses_it_by_the_next_and_removes_it(stack: Stack) -> None:
    added = await run(stack, "add")
    assert '"name":"mine"' in added
    assert "sk-0123456789abcdef" not in added
    assert '"last_four":"cdef"' in added
    assert '"object":"chat.completion"' in (await run(stack, "use")).replace(": ", ":")
    assert '"ok":true' in await run(stack, "try")
    assert '"deleted":true' in await run(stack, "remove")
    gone = await run(stack, "use", fails_with="-sS")
    assert '"code":"model_not_found"' in gone
    assert "`mine/gpt-4o` does not exist here" in gone


async def run(stack: Stack, block: str, *, fails_with: str = "-fsS") -> str:
    """What a block of the document writes, its addresses replaced by this stack's."""
    text = BLOCKS[block].replace("http://127.0.0.1:8080", stack.edge_url).replace("-fsS", fails_with)
    text = text.replace("https://llm.example.com/v1", f"{stack.simulator_url}/openai/v1")
    environ = {**os.environ, "ADMIN_KEY": stack.run["admin_key"], "KEY": stack.run["standard_key"]}
    process = await asyncio.create_subprocess_exec(
        "bash", "-ec", text, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), COMMAND_TIMEOUT_S)
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.fixture
def three_routers(stack: Stack) -> Iterator[tuple[Process, list[Process]]]:
    with edge_with_routers(stack, 3) as processes:
        yield processes


async def test_three_routers_all_serve_and_all_refuse_within_two_seconds(
    stack: Stack, admin: aiohttp.ClientSession, three_routers: tuple[Process, list[Process]]
) -> None:
    edge, routers = three_routers
    url = f"http://127.0.0.1:{edge.port}/v1/providers"
    name = f"three-{uuid.uuid4().hex[:8]}"
    simulator = {"kind": "openai-compatible", "base_url": f"{stack.simulator_url}/openai/v1", "api_key": "sk-simulated"}
    async with hops_to(stack, routers) as hops:
        assert [await status_of(hop, name) for hop in hops] == [404, 404, 404]
        async with admin.post(url, json={**simulator, "name": name}) as answer:
            assert answer.status == 201, await answer.text()
            version = (await answer.json())["version"]
        served_s = await all_come_to(200, hops, name)
        assert [health_of(router)["version"] for router in routers] == [version] * 3
        async with admin.delete(f"{url}/{name}") as answer:
            assert answer.status == 200
        refused_s = await all_come_to(404, hops, name)
    print(f"in force after {served_s:.3f} s, gone after {refused_s:.3f} s")
    assert max(served_s, refused_s) < IN_FORCE_WITHIN_S


async def all_come_to(status: int, hops: list[HopClient], name: str) -> float:
    """Seconds until the last router answers so."""
    began_s = time.monotonic()

    async def one(hop: HopClient) -> None:
        async with asyncio.timeout(3 * IN_FORCE_WITHIN_S):
            while (found := await status_of(hop, name)) != status:
                assert found in (200, 404)

    await asyncio.gather(*map(one, hops))
    return time.monotonic() - began_s


async def status_of(hop: HopClient, name: str) -> int:
    """Of one small call to that provider."""
    caller = Caller("default", "tests", "tests", "standard", "standard")
    head = CallHead(
        request_id=f"req_{secrets.token_hex(8)}",
        endpoint="chat.completions",
        model=f"{name}/gpt-4o",
        stream=False,
        stream_options=None,
        relay_usage=False,
        caller=caller,
    )
    async with hop.request("chat.completions", head.to_json(), b'{"messages":[{"role":"user","content":"hi"}]}') as got:
        await got.read()
        return got.status


@asynccontextmanager
async def hops_to(stack: Stack, routers: list[Process]) -> AsyncIterator[list[HopClient]]:
    """As the stack's edge, to each router alone."""
    files = edge_files(stack)
    async with AsyncExitStack() as ends:
        hops = [HopClient(f"https://localhost:{router.port}", client_context(files)) for router in routers]
        for hop in hops:
            ends.push_async_callback(hop.close)
        yield hops


def edge_files(stack: Stack) -> TlsFiles:
    lines = Path(f"/proc/{stack.run['pids']['edge']}/environ").read_text().split("\0")
    environ = dict(line.split("=", 1) for line in lines if line)
    return TlsFiles(*(Path(environ[f"TLS_{part}_FILE"]) for part in ("CA", "CERT", "KEY")))


def health_of(router: Process) -> dict[str, Any]:
    """What it says of its configuration."""
    told: dict[str, Any] = get_json(f"{router.ops_url}/health")["configuration"]
    return told
