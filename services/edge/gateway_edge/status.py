"""GET /health and GET /metrics on the public port."""

import asyncio
import time

import orjson
from aiohttp import web

from gateway_edge.authentication import identify
from gateway_edge.resources import OPERATIONS, SETTINGS
from gateway_shared import multiprocess_metrics
from gateway_shared.hop import HEALTH, HopLost
from gateway_shared.hop_client import HopClient
from gateway_shared.operations import Check, Operations, metrics_response

HEALTH_KEPT_S = 1.0


class PublicHealth:
    """The edge's state in few words: anyone may ask, so the answer is kept for a second and tells no detail."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._body = b""
        self._good_until_s = 0.0
        self._asking = asyncio.Lock()

    async def body(self) -> bytes:
        async with self._asking:
            if time.monotonic() >= self._good_until_s:
                _, report = await self._operations.health()
                checks = report["checks"]
                assert isinstance(checks, dict)
                self._body = orjson.dumps(
                    {
                        "status": report["status"],
                        "checks": {name: "ok" if state == "ok" else "unavailable" for name, state in checks.items()},
                    }
                )
                self._good_until_s = time.monotonic() + HEALTH_KEPT_S
            return self._body


PUBLIC_HEALTH = web.AppKey("public_health", PublicHealth)


async def health(request: web.Request) -> web.Response:
    """200 while the edge can answer at all; `status` says what it cannot do."""
    return web.Response(body=await request.app[PUBLIC_HEALTH].body(), content_type="application/json")


async def metrics(request: web.Request) -> web.Response:
    """Of all workers; for an admin key, or for all by setting.

    Not counted as an authentication: reading changes nothing read here.
    """
    if not request.app[SETTINGS].public_metrics:
        await identify(request, kinds={"admin"})
    multiprocess_metrics.refresh()
    return metrics_response(request.app[OPERATIONS])


def router_check(router: HopClient) -> Check:
    async def check() -> str | None:
        try:
            async with router.request(HEALTH, b"{}") as answer:
                await answer.read()
        except HopLost as error:
            return f"cannot be reached ({error})"
        return None if answer.status == 200 else f"answers {answer.status}"

    return check
