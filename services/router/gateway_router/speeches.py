"""The dialect and the transport of each wire. Importing this imports litellm (3 s, 165 MiB)."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from gateway_router.chat_call import Speech
from gateway_router.dialects.anthropic import AnthropicTranslation
from gateway_router.dialects.gemini import GeminiTranslation
from gateway_router.dialects.litellm_wire import LitellmTranslation
from gateway_router.dialects.openai_wire import OpenAiTranslation
from gateway_router.egress import EgressGuard
from gateway_router.kinds import Wire
from gateway_router.transports.answer_budget import DEFAULT_MAX_BYTES, AnswerBudget
from gateway_router.transports.http import HttpTransport
from gateway_router.transports.http1 import Http1Transport
from gateway_router.transports.litellm_client import LitellmTransport


@asynccontextmanager
async def open_speeches(
    guard: EgressGuard,
    *,
    connect_timeout_s: float,
    call_timeout_s: float,
    http_client: str = "http1",
    max_held_bytes: int = DEFAULT_MAX_BYTES,
) -> AsyncIterator[Mapping[Wire, Speech]]:
    """`http_client`: `http1`, our own lean one, or `aiohttp`. `max_held_bytes`: of all plain answers."""
    budget = AnswerBudget(max_held_bytes)
    client = HttpTransport if http_client == "aiohttp" else Http1Transport
    http = client(guard, connect_timeout_s=connect_timeout_s, budget=budget)
    through_litellm = LitellmTransport(
        guard, connect_timeout_s=connect_timeout_s, call_timeout_s=call_timeout_s, budget=budget
    )
    try:
        yield {
            "openai": Speech(OpenAiTranslation, http),
            "anthropic": Speech(AnthropicTranslation, http),
            "gemini": Speech(GeminiTranslation, http),
            "litellm": Speech(LitellmTranslation, through_litellm),
        }
    finally:
        await http.close()
        await through_litellm.close()
