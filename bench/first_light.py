"""CPU per request of edge and router, with everything on: `make bench`.

Prints one line per shape: requests, CPU (user + system) in milliseconds per request of each process,
read from /proc before and after, and the interpreter's build. Source of load: plain asyncio sockets,
a kept connection per client, so that the generator does not stand in the gateway's way. Wall times
are of a shared machine and say little; ratios of CPU within one run hold.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sysconfig
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SERVICES = ("edge", "router", "billing")
ROUNDS = 3


def cpu_s(pid: int) -> float:
    """User and system time of one process, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def request_bytes(run: dict[str, Any], *, stream: bool, words: int) -> bytes:
    body = json.dumps(
        {
            "model": "gpt-4o",
            "stream": stream,
            "messages": [{"role": "user", "content": f"Say something useful [[sim words={words}]]"}],
        }
    )
    host = urllib.parse.urlsplit(run["edge_url"]).netloc
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {run['standard_key']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


async def client(address: tuple[str, int], payload: bytes, take: Callable[[], bool]) -> None:
    """One kept connection: sends, reads the whole answer, as long as `take` says so."""
    reader, writer = await asyncio.open_connection(*address)
    while take():
        writer.write(payload)
        await writer.drain()
        await read_answer(reader)
    writer.close()


async def read_answer(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200"):
        raise RuntimeError(head.split(b"\r\n")[0].decode())
    if b"transfer-encoding: chunked" in head:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    else:
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)


async def load(run: dict[str, Any], payload: bytes, *, requests: int, connections: int) -> None:
    address = urllib.parse.urlsplit(run["edge_url"])
    assert address.hostname
    assert address.port
    left: Iterator[int] = iter(range(requests))
    await asyncio.gather(
        *(
            client((address.hostname, address.port), payload, lambda: next(left, None) is not None)
            for _ in range(connections)
        )
    )


def measure(run: dict[str, Any], name: str, payload: bytes, *, requests: int, connections: int) -> None:
    rounds: dict[str, list[float]] = {service: [] for service in SERVICES}
    for _ in range(ROUNDS):
        before = {service: cpu_s(run["pids"][service]) for service in SERVICES}
        asyncio.run(load(run, payload, requests=requests, connections=connections))
        for service in SERVICES:
            rounds[service].append((cpu_s(run["pids"][service]) - before[service]) / requests * 1e3)
    both = [edge + router for edge, router in zip(rounds["edge"], rounds["router"], strict=True)]
    parts = "  ".join(f"{service} {statistics.median(rounds[service]):.3f}" for service in SERVICES)
    print(
        f"{name:<34} edge+router {statistics.median(both):.3f} ms/request"
        f" (min {min(both):.3f}, max {max(both):.3f})  {parts}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path(".local/run.json"), help="the stack's run.json")
    parser.add_argument("--requests", type=int, default=1500)
    arguments = parser.parse_args()
    run = json.loads(arguments.run.read_text())
    build = "PGO" if "-fprofile-use" in (sysconfig.get_config_var("PY_CORE_CFLAGS") or "") else "plain"
    print(f"Python {platform.python_version()} ({build} build), {os.cpu_count()} cores, {ROUNDS} rounds, medians")
    for name, stream, words, share in (
        ("JSON, 16 connections", False, 50, 1),
        ("SSE, 50 chunks, 16 connections", True, 50, 4),
    ):
        payload = request_bytes(run, stream=stream, words=words)
        measure(run, name, payload, requests=arguments.requests // share, connections=16)


if __name__ == "__main__":
    main()
