"""The clients by which a router reaches providers, each behind the same interface: what guards one guards all."""

from dataclasses import dataclass

import orjson
import pytest

from gateway_router.configuration import Provider
from gateway_router.dialects.dialect import UpstreamRequest
from gateway_router.egress import EgressGuard
from gateway_router.transports.answer_budget import AnswerBudget
from gateway_router.transports.http import HttpTransport
from gateway_router.transports.http1 import Http1Transport
from gateway_router.transports.litellm_client import LitellmTransport
from gateway_router.transports.transport import Transport
from gateway_shared.settings import Secret

SECRET = "sk-canary-1234567890"
ANSWER = orjson.dumps(
    {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}},
        ],
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "hello"}],
        "stop_reason": "end_turn",
        "usage": {
            "prompt_tokens": 1,
            "completion_tokens": 1,
            "total_tokens": 2,
            "input_tokens": 1,
            "output_tokens": 1,
        },
    }
)
"""A plain answer in OpenAI's and in Anthropic's format at once, so that each client can take it."""


@dataclass(frozen=True)
class ProviderClient:
    """`litellm_name`: the provider that LiteLLM calls, None for our own clients."""

    name: str
    litellm_name: str | None = None

    def transport(
        self, guard: EgressGuard, budget: AnswerBudget | None = None, *, connect_timeout_s: float = 2
    ) -> Transport:
        if self.litellm_name:
            return LitellmTransport(guard, connect_timeout_s=connect_timeout_s, call_timeout_s=5, budget=budget)
        client = Http1Transport if self.name == "http1" else HttpTransport
        return client(guard, connect_timeout_s=connect_timeout_s, budget=budget)

    @property
    def provider(self) -> Provider:
        return Provider("p", "openai", "", Secret(SECRET), "p", "p", self.litellm_name or "openai")

    def request(self, base_url: str, *, stream: bool = False) -> UpstreamRequest:
        """As this client's dialect would make it for a provider at that base URL."""
        if not self.litellm_name:
            headers = {"Authorization": f"Bearer {SECRET}", "x-api-key": SECRET}
            return UpstreamRequest(f"{base_url}/chat/completions", headers, b"{}")
        arguments = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "stream": stream}
        return UpstreamRequest(base_url, {}, orjson.dumps(arguments))


CLIENTS = [
    ProviderClient("http1"),
    ProviderClient("aiohttp"),
    ProviderClient("litellm, by the openai package", "openai"),
    ProviderClient("litellm, by its own handler", "deepseek"),
    ProviderClient("litellm, a translated provider", "anthropic"),
]
EVERY_CLIENT = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
