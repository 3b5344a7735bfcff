"""The control API under `/simulator/`: the request log, counts, held streams, and the script for requests to come."""

from typing import Any

import orjson
from aiohttp import web

from gateway_simulator.directives import DirectiveInvalid
from gateway_simulator.state import STATE


async def health(request: web.Request) -> web.Response:
    return json_response({"status": "ok"})


async def list_requests(request: web.Request) -> web.Response:
    """All, or those whose fields equal the query's: `?marker=abc&provider=openai`."""
    return json_response(request.app[STATE].log.matching(request.query))


async def clear_requests(request: web.Request) -> web.Response:
    request.app[STATE].log.clear()
    return web.Response(status=204)


async def stats(request: web.Request) -> web.Response:
    state = request.app[STATE]
    return json_response({**state.log.stats(), "held": len(state.holds)})


async def release_held(request: web.Request) -> web.Response:
    """All, or with `?marker=abc` one."""
    return json_response({"released": request.app[STATE].holds.release(request.query.get("marker"))})


async def show_script(request: web.Request) -> web.Response:
    return json_response({"rules": [rule.to_json() for rule in request.app[STATE].script.rules]})


async def replace_script(request: web.Request) -> web.Response:
    try:
        request.app[STATE].script.replace(orjson.loads(await request.read()))
    except (DirectiveInvalid, orjson.JSONDecodeError) as error:
        return json_response({"error": str(error)}, status=400)
    return await show_script(request)


async def clear_script(request: web.Request) -> web.Response:
    request.app[STATE].script.clear()
    return web.Response(status=204)


def json_response(document: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(document), status=status, headers=headers, content_type="application/json")
