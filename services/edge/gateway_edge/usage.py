"""GET /v1/usage, and the same where OpenAI has it: GET /v1/organization/usage/completions."""

import time

import orjson
from aiohttp import web

from gateway_edge.authentication import WithinLimits, authenticate
from gateway_edge.key_format import KEY_KINDS
from gateway_edge.resources import USAGE
from gateway_edge.usage_page import MAX_RESULTS, usage_page
from gateway_edge.usage_query import parse_usage_query


async def show_usage(request: web.Request) -> web.Response:
    """Of the key's tenant, whatever the kind of the key; the query can narrow that and never widen it."""
    grant = await authenticate(request, kinds=KEY_KINDS)
    with WithinLimits(request, grant):
        query = parse_usage_query(request.query.items(), now_s=int(time.time()) + 1)
        rows = await request.app[USAGE].read(grant.tenant_id, query, max_rows=MAX_RESULTS + 1)
        return web.Response(body=orjson.dumps(usage_page(query, rows)), content_type="application/json")
