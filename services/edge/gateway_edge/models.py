"""GET /v1/models and /v1/models/{id}, and the same below /v1/langchain."""

from aiohttp import web

from gateway_edge.authentication import WithinLimits, authenticate
from gateway_edge.chat import LANGCHAIN_KEYS, MODEL_KEYS
from gateway_edge.key_format import KeyKind
from gateway_edge.relay import relay
from gateway_shared.hop import MODELS
from gateway_shared.model_call import ModelCall


async def show_models(request: web.Request) -> web.StreamResponse:
    return await _models(request, MODEL_KEYS)


async def show_langchain_models(request: web.Request) -> web.StreamResponse:
    return await _models(request, LANGCHAIN_KEYS)


async def _models(request: web.Request, kinds: frozenset[KeyKind]) -> web.StreamResponse:
    """All of them, or the one that the path names."""
    grant = await authenticate(request, kinds=kinds)
    with WithinLimits(request, grant):
        return await relay(request, MODELS, ModelCall(grant.tenant_id, request.match_info.get("model")).to_json())
