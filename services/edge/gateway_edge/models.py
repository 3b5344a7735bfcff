"""GET /v1/models and /v1/models/{id}, and the same below /v1/langchain."""

import orjson
from aiohttp import web

from gateway_edge.authentication import WithinLimits, authenticate
from gateway_edge.chat import LANGCHAIN_KEYS, MODEL_KEYS
from gateway_edge.key_format import KeyKind
from gateway_edge.relay import relay
from gateway_shared.errors import ModelNotFound
from gateway_shared.hop import MODELS


async def list_models(request: web.Request) -> web.StreamResponse:
    return await _models(request, MODEL_KEYS)


async def list_langchain_models(request: web.Request) -> web.StreamResponse:
    return await _models(request, LANGCHAIN_KEYS)


async def show_model(request: web.Request) -> web.StreamResponse:
    return _one_of(await _models(request, MODEL_KEYS), request.match_info["model"])


async def show_langchain_model(request: web.Request) -> web.StreamResponse:
    return _one_of(await _models(request, LANGCHAIN_KEYS), request.match_info["model"])


async def _models(request: web.Request, kinds: frozenset[KeyKind]) -> web.StreamResponse:
    grant = await authenticate(request, kinds=kinds)
    with WithinLimits(request, grant):
        return await relay(request, MODELS, b"{}")


def _one_of(answer: web.StreamResponse, model: str) -> web.StreamResponse:
    """The entry of that id out of the list, or the router's error as it is. Raises ModelNotFound."""
    if answer.status != 200 or not isinstance(answer, web.Response) or not isinstance(answer.body, bytes):
        return answer
    for entry in orjson.loads(answer.body)["data"]:
        if entry["id"] == model:
            return web.Response(body=orjson.dumps(entry), content_type="application/json")
    raise ModelNotFound
