"""/v1/providers: an operator's calls, passed on to the router. Bodies hold providers' keys: nothing here reads them."""

from functools import partial
from typing import Final

from aiohttp import hdrs, web

from gateway_edge.authentication import WithinLimits, authenticate
from gateway_edge.chat import expect_body
from gateway_edge.key_format import KeyKind
from gateway_edge.relay import relay
from gateway_edge.request_record import RECORD
from gateway_edge.resources import BODIES, SETTINGS
from gateway_shared.errors import BadRequest
from gateway_shared.hop import PROVIDERS
from gateway_shared.provider_call import ProviderAction, ProviderCall

MAX_BODY_BYTES: Final = 64 * 1024
_ADMIN_KEYS: frozenset[KeyKind] = frozenset({"admin"})
_TENANT = "tenant_id"


def add_routes(router: web.UrlDispatcher) -> None:
    one = "/v1/providers/{provider}"
    _add(router, hdrs.METH_GET, "/v1/providers", "list")
    _add(router, hdrs.METH_POST, "/v1/providers", "add")
    _add(router, hdrs.METH_GET, "/v1/providers/routing", "show_routing")
    _add(router, hdrs.METH_PUT, "/v1/providers/routing", "replace_routing")
    _add(router, hdrs.METH_GET, one, "show")
    _add(router, hdrs.METH_PUT, one, "replace")
    _add(router, hdrs.METH_DELETE, one, "delete")
    _add(router, hdrs.METH_POST, f"{one}/test", "test")


def _add(router: web.UrlDispatcher, method: str, path: str, action: ProviderAction) -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        return await _call(request, action)

    router.add_route(method, path, serve, expect_handler=expect_body)


async def _call(request: web.Request, action: ProviderAction) -> web.StreamResponse:
    grant = await authenticate(request, kinds=_ADMIN_KEYS)
    with WithinLimits(request, grant):
        head = ProviderCall(
            action=action,
            request_id=request[RECORD].request_id,
            caller=grant.caller,
            is_operator=grant.tenant_id == request.app[SETTINGS].operator_tenant,
            provider=request.match_info.get("provider"),
            tenant_id=_tenant_asked(request),
            if_match=request.headers.get(hdrs.IF_MATCH),
        )
        send = partial(relay, request, PROVIDERS, head.to_json())
        if not request.body_exists:
            return await send()
        with await request.app[BODIES].read_json(request, max_bytes=MAX_BODY_BYTES) as body:
            return await send(body.take())


def _tenant_asked(request: web.Request) -> str | None:
    """Raises BadRequest for any other parameter: what looks like a filter must not be ignored."""
    given = request.query.getall(_TENANT, [])
    if len(given) > 1 or set(request.query) - {_TENANT}:
        raise BadRequest("The only parameter here is tenant_id, once.", param=_TENANT)
    return given[0] if given else None
