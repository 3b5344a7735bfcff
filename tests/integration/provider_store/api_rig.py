"""One router in this process, its providers in a real database, and its operations over the real hop."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gateway_router.api_operations import model_api, provider_api
from gateway_router.calls import ChatCalls
from gateway_router.configuration import Configuration, Provider, Registration
from gateway_router.egress import EgressGuard
from gateway_router.hop_operations import operations
from gateway_router.journal import Journal
from gateway_router.journal.frame import FrameKind, decode
from gateway_router.limits import CallLimits
from gateway_router.litellm_catalogue import guess_provider
from gateway_router.resilience import Resilience
from gateway_router.speeches import open_speeches
from gateway_router.stored_providers import StoredProviders, open_stored_providers
from gateway_shared.call_head import Caller, CallHead
from gateway_shared.hop_client import HopClient
from gateway_shared.hop_server import serve_hop
from gateway_shared.model_call import ModelCall
from gateway_shared.provider_call import ProviderAction, ProviderCall
from gateway_shared.settings import Secret
from gateway_shared.tls import client_context, server_context
from gateway_shared.usage_event import UsageEvent
from tests.integration.router.loopback import LOOPBACK
from tests.servers import Certificates, Postgres
from tests.unit.router.stored import ring

ENVIRONMENTS_KEY = "sk-environment-0123456789"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return orjson.loads(self.text)

    @property
    def error(self) -> Any:
        return self.json["error"]


@dataclass
class ApiRig:
    """`hop` is an edge's end; `by` is the tenant of the key that asks, of which `default` is the operator's."""

    hop: HopClient
    stored: StoredProviders
    journal: Journal

    async def ask(
        self,
        action: ProviderAction,
        provider: str | None = None,
        body: Any = None,
        *,
        by: str = "default",
        tenant_id: str | None = None,
        if_match: str | None = None,
    ) -> Answer:
        head = ProviderCall(action, "req_1", _caller(by), by == "default", provider, tenant_id, if_match)
        data = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        return await self._request("providers", head.to_json(), data)

    async def chat(self, model: str, *, by: str = "default", text: str = "hello") -> Answer:
        head = CallHead(
            request_id=f"req_{secrets.token_hex(8)}",
            endpoint="chat.completions",
            model=model,
            stream=False,
            stream_options=None,
            relay_usage=False,
            caller=_caller(by),
        )
        body = orjson.dumps({"messages": [{"role": "user", "content": text}]})
        return await self._request("chat.completions", head.to_json(), body)

    async def models(self, model: str | None = None, *, by: str = "default") -> Answer:
        return await self._request("models", ModelCall(by, model).to_json(), b"")

    def settled(self) -> list[UsageEvent]:
        """What the journal holds of calls that have ended."""
        segments = sorted(path for path in self.journal.folder.path.glob("*") if path.is_file())
        frames = decode(b"".join(path.read_bytes() for path in segments))
        return [UsageEvent.from_json(frame.payload) for frame in frames if frame.kind is FrameKind.SETTLE]

    async def _request(self, operation: str, head: bytes, body: bytes) -> Answer:
        async with self.hop.request(operation, head, body) as response:
            return Answer(response.status, dict(response.headers), (await response.read()).decode())


def _caller(tenant_id: str) -> Caller:
    return Caller(tenant_id, "user-1", "key-1", "standard", "standard")


def environment_at(simulator_url: str) -> Configuration:
    """What OPENAI_API_KEY and OPENAI_BASE_URL register."""
    way = Provider.of("openai", name="openai", api_key=Secret(ENVIRONMENTS_KEY), base_url=f"{simulator_url}/openai/v1")
    return Configuration(registrations=(Registration("openai", "openai", (way,)),))


@asynccontextmanager
async def open_api_rig(
    certificates: Certificates,
    database: Postgres,
    folder: Path,
    environment: Configuration,
    *,
    has_ring: bool = True,
    resilience: Resilience | None = None,
) -> AsyncIterator[ApiRig]:
    journal, limits = Journal.open(folder / "journal", instance="test"), CallLimits(call_s=5, first_byte_s=5)
    async with (
        open_stored_providers(
            environment,
            ring() if has_ring else None,
            allowed_hosts=LOOPBACK,
            journal_dir=folder,
            instance="test",
            postgres_dsn=database.dsn("router"),
            tls_files=database.tls_files("router"),
        ) as stored,
        open_speeches(EgressGuard(LOOPBACK), connect_timeout_s=2, call_timeout_s=5) as speeches,
    ):
        resilience = resilience or Resilience()
        calls = ChatCalls(stored.directory, speeches, journal, limits, guess_provider, resilience=resilience)
        served = operations(
            calls.serve,
            model_api(stored.directory, stored.read_prices).serve,
            provider_api(stored, calls, allowed_hosts=LOOPBACK).serve,
        )
        tls = server_context(certificates.files("router"))
        async with serve_hop(served, host="127.0.0.1", port=0, tls=tls, deployment="agent-gateway") as server:
            hop = HopClient(f"https://localhost:{server.port}", client_context(certificates.files("edge")))
            try:
                yield ApiRig(hop, stored, journal)
            finally:
                await hop.close()
                await calls.finish(1)
                await journal.close()
