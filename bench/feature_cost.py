"""What each part that guards or records a request costs by itself: CPU microseconds a request, in this process.

    .local/venvs/dev/bin/python -m bench.feature_cost [--times 20000] [--rounds 5]

For what no setting turns off, so that `--with NAME=VALUE` cannot tell. The journal has its own: bench.journal_cost.
"""

import argparse
import asyncio
import os
import ssl
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import uvloop

from gateway_authority.directory import issue_directory
from gateway_edge.credential import credential_of
from gateway_edge.grant import Grant
from gateway_edge.grant_cache import GrantCache
from gateway_edge.key_format import digest_of, kind_of, make_key
from gateway_edge.key_limits import KeyLimits
from gateway_edge.key_states import KeyStates
from gateway_edge.limit_table import LimitTable
from gateway_edge.request_record import RequestRecord
from gateway_shared import canonical_log
from gateway_shared.hop_link import Link
from gateway_shared.hop_stream import Stream
from gateway_shared.tls import TlsFiles, client_context, server_context

Part = Callable[[int], Awaitable[None]]
"""Does it so many times."""
Contexts = tuple[ssl.SSLContext, ssl.SSLContext]

REQUEST_BYTES, ANSWER_BYTES = 400, 1000
GRANT = Grant(
    "tenant-1", "user-1", "key_01a20ad06f82735e8fb7754d78509f7f", "standard", "gw", (), None, None, None, False
)
PEPPER = b"p" * 32
KEY = make_key("gw", bytes(range(32)))


async def authentication(times: int) -> None:
    """The credential out of its header, its checksum and digest, its grant out of the cache."""

    async def look_up(digest: bytes) -> Grant:
        return GRANT

    cache = GrantCache(look_up)
    header = [f"Bearer {KEY}"]
    for _ in range(times):
        key = credential_of(header, [])
        assert kind_of(key)
        await cache.find(digest_of(key, PEPPER))


async def limits(times: int) -> None:
    _hold_places(KeyStates(), times)


async def limits_of_workers(times: int) -> None:
    """The same in memory that the edge's workers share."""
    table = LimitTable(2)
    _hold_places(KeyStates(lambda key, now_ns: table.state(key, now_ns, worker=0)), times)


def _hold_places(states: KeyStates, times: int) -> None:
    key_limits = KeyLimits(states, requests_per_minute=1_000_000_000, concurrent_requests=50)
    for _ in range(times):
        key_limits.admit(GRANT, now_ns=time.monotonic_ns())
        key_limits.release(GRANT)


async def end_of_a_request(times: int) -> None:
    """Its id, its metrics, and its log line where the level has one."""
    for _ in range(times):
        record = RequestRecord("POST", "/v1/chat/completions")
        record.tenant_id, record.key_id, record.channel = GRANT.tenant_id, GRANT.key_id, "standard"
        record.model = "gpt-4o"
        record.close(200)
        await asyncio.sleep(0)


async def hop(times: int, *, tls: Contexts | None, at_once: int) -> None:
    """Exchanges over one connection, both ends in this process."""
    body, answer = bytes(REQUEST_BYTES), bytes(ANSWER_BYTES)

    async def serve(stream: Stream) -> None:
        await stream.head()
        await stream.read()
        await stream.send(answer, head=b"head", end=True)

    async def exchange(count: int) -> None:
        for _ in range(count):
            stream = link.open()
            await stream.send(body, head=b"head", end=True)
            while await stream.read():
                continue
            stream.close()

    server_tls, client_tls = tls or (None, None)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Link(serve), "127.0.0.1", 0, ssl=server_tls)
    host_name = "localhost" if tls else None
    port = server.sockets[0].getsockname()[1]
    _, link = await loop.create_connection(Link, "127.0.0.1", port, ssl=client_tls, server_hostname=host_name)
    await asyncio.gather(*(exchange(times // at_once) for _ in range(at_once)))
    link.close()
    server.close()
    await link.closed.wait()


async def nothing(times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


def parts(tls: Contexts) -> dict[str, tuple[Part, Part]]:
    """What is measured, and what of it is measured and subtracted."""
    return {
        "authentication: key, digest, grant from the cache": (authentication, _free),
        "limits: a place taken and given back": (limits, _free),
        "limits, shared by workers": (limits_of_workers, _free),
        "request id, metrics": (partial(_logging, end_of_a_request, "WARNING"), nothing),
        "log line": (partial(_logging, end_of_a_request, "INFO"), partial(_logging, end_of_a_request, "WARNING")),
        **{
            f"mTLS on the hop, both ends, {count} calls at once": (
                partial(hop, tls=tls, at_once=count),
                partial(hop, tls=None, at_once=count),
            )
            for count in (1, 16)
        },
    }


async def _free(times: int) -> None:
    """Nothing is subtracted."""


async def _logging(part: Part, level: str, times: int) -> None:
    canonical_log.configure("edge", level)
    await part(times)


async def _cpu_us(part: Part, times: int) -> float:
    """Of all threads of this process, for each time."""
    started_s = time.process_time()
    await part(times)
    return (time.process_time() - started_s) / times * 1e6


def _contexts(folder: Path) -> Contexts:
    issue_directory(
        folder, deployment="bench", roles=["edge", "router"], now=datetime.now(UTC), lifetime=timedelta(days=1)
    )
    files = [TlsFiles(folder / "ca.pem", folder / f"{role}.pem", folder / f"{role}.key") for role in ("router", "edge")]
    return server_context(files[0]), client_context(files[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere:
        for name, (part, without) in parts(_contexts(Path(folder))).items():
            with redirect_stdout(nowhere):
                figures = [
                    uvloop.run(_cpu_us(part, options.times)) - uvloop.run(_cpu_us(without, options.times))
                    for _ in range(options.rounds)
                ]
            print(f"| {name} | {statistics.median(figures):.1f} ({min(figures):.1f}..{max(figures):.1f}) |")


if __name__ == "__main__":
    main()
