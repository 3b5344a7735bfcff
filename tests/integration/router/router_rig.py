"""A router's hop in this process over real TLS, with a real journal, and providers on real sockets."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from gateway_router.api_operations import model_api
from gateway_router.calls import ChatCalls
from gateway_router.configuration import Configuration, FixedDirectory, Provider, Registration
from gateway_router.egress import EgressGuard
from gateway_router.hop_operations import operations
from gateway_router.journal import Journal
from gateway_router.journal.frame import FrameKind, decode
from gateway_router.kinds import FROM_ENVIRONMENT, KINDS
from gateway_router.limits import CallLimits
from gateway_router.litellm_catalogue import guess_provider
from gateway_router.model_catalogue import Prices
from gateway_router.resilience import Resilience
from gateway_router.retry_policy import RetryPolicy
from gateway_router.speeches import open_speeches
from gateway_shared.call_head import Caller, CallHead
from gateway_shared.errors import DatabaseUnavailable
from gateway_shared.hop_client import HopClient, HopResponse
from gateway_shared.hop_server import HopAnswer, HopCall, serve_hop
from gateway_shared.settings import Secret
from gateway_shared.tls import client_context, server_context
from gateway_shared.usage_event import UsageEvent
from gateway_simulator.app import simulator_app, simulator_runner
from tests.integration.router.loopback import LOOPBACK
from tests.recordings import Received
from tests.servers import Certificates

Json = dict[str, Any]
CALLER = Caller("tenant-1", "user-1", "key-1", "standard", "standard")


def call_parts(body: Json, *, relay_usage: bool | None = None) -> tuple[bytes, bytes]:
    """Head and rest of a client's body, as the edge makes them."""
    rest = {name: value for name, value in body.items() if name not in ("model", "stream", "stream_options")}
    options = body.get("stream_options")
    asked = bool((options or {}).get("include_usage"))
    head = CallHead(
        request_id=f"req_{secrets.token_hex(8)}",
        endpoint="chat.completions",
        model=body["model"],
        stream=bool(body.get("stream")),
        stream_options=options,
        relay_usage=asked if relay_usage is None else relay_usage,
        caller=CALLER,
        end_user="someone",
        agent_id="agent-1",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    return head.to_json(), orjson.dumps(rest)


@dataclass
class RouterRig:
    """One router; `hop` is an edge's end of the hop."""

    calls: ChatCalls
    journal: Journal
    hop: HopClient
    port: int

    async def call(self, body: Json, *, relay_usage: bool | None = None) -> Received:
        head, rest = call_parts(body, relay_usage=relay_usage)
        async with self.hop.request("chat.completions", head, rest) as response:
            return Received(response.status, dict(response.headers), await response.read())

    @asynccontextmanager
    async def opened(self, body: Json, *, relay_usage: bool | None = None) -> AsyncIterator[HopResponse]:
        """A call whose client may leave: by leaving the block."""
        head, rest = call_parts(body, relay_usage=relay_usage)
        async with self.hop.request("chat.completions", head, rest) as response:
            yield response

    def records(self) -> list[tuple[FrameKind, UsageEvent]]:
        """What the journal holds on the disk, in order."""
        segments = sorted(self.journal.folder.path.glob("*"))
        data = b"".join(path.read_bytes() for path in segments if path.is_file())
        return [(frame.kind, UsageEvent.from_json(frame.payload)) for frame in decode(data)]

    def settled(self) -> list[UsageEvent]:
        return [event for kind, event in self.records() if kind is FrameKind.SETTLE]

    def intents(self) -> list[UsageEvent]:
        return [event for kind, event in self.records() if kind is FrameKind.INTENT]


def providers_at(url: str) -> dict[str, Provider]:
    """The four at a simulator's `url`, under their own names in the ledger."""
    return {
        name: Provider(
            name,
            KINDS[name].wire,
            f"{url}{KINDS[name].simulator_path}",
            Secret("sk-test-key-1234567890"),
            name,
            name,
            KINDS[name].litellm_name,
        )
        for name in FROM_ENVIRONMENT
    }


def configuration_of(providers: Mapping[str, Provider]) -> Configuration:
    """One registration for each, under its name."""
    return Configuration(registrations=tuple(Registration(name, name, (one,)) for name, one in providers.items()))


@asynccontextmanager
async def open_rig(
    certificates: Certificates,
    folder: Path,
    providers: Mapping[str, Provider] | Configuration,
    limits: CallLimits | None = None,
    *,
    resilience: Resilience | None = None,
    http_client: str = "http1",
) -> AsyncIterator[RouterRig]:
    """Without `resilience` every call has one attempt."""
    configuration = providers if isinstance(providers, Configuration) else configuration_of(providers)
    limits = limits or CallLimits(call_s=20, first_byte_s=10, silence_s=10)
    journal = Journal.open(folder / "journal", instance="test")
    async with open_speeches(
        EgressGuard(LOOPBACK), connect_timeout_s=2, call_timeout_s=limits.call_s, http_client=http_client
    ) as speeches:
        resilience = resilience or Resilience(RetryPolicy(max_attempts=1))
        directory = FixedDirectory(configuration)
        calls = ChatCalls(directory, speeches, journal, limits, guess_provider, resilience=resilience)
        served = operations(calls.serve, model_api(directory, no_prices).serve, no_operator)
        tls = server_context(certificates.files("router"))
        async with serve_hop(served, host="127.0.0.1", port=0, tls=tls, deployment="agent-gateway") as server:
            hop = HopClient(f"https://localhost:{server.port}", client_context(certificates.files("edge")))
            try:
                yield RouterRig(calls, journal, hop, server.port)
            finally:
                await hop.close()
                await calls.finish(1)
                await journal.close()


async def no_prices() -> Prices:
    return {}


async def no_operator(_call: HopCall, _answer: HopAnswer) -> None:
    """There is no database behind this rig."""
    raise DatabaseUnavailable


@dataclass
class Simulator:
    """A running provider simulator and its control API."""

    url: str
    session: aiohttp.ClientSession

    async def requests(self, **fields: str) -> list[Json]:
        async with self.session.get(f"{self.url}/simulator/requests", params=fields) as response:
            found: list[Json] = await response.json()
            return found

    async def stats(self) -> Json:
        async with self.session.get(f"{self.url}/simulator/stats") as response:
            found: Json = await response.json()
            return found


@asynccontextmanager
async def open_simulator() -> AsyncIterator[Simulator]:
    async with listening(simulator_runner(simulator_app(keep_bodies=True))) as url, aiohttp.ClientSession() as session:
        yield Simulator(url, session)


@asynccontextmanager
async def listening(runner: web.AppRunner) -> AsyncIterator[str]:
    """The URL of a small app on a free port."""
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def until(condition: Callable[[], Any], *, timeout_s: float = 5) -> None:
    """Asks again and again; the condition may be a coroutine function. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = condition()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.01)
