"""The public API: what it holds, what every request passes through, and what it answers to."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from gateway_edge import __version__, chat, metrics, models, providers, status, usage, usage_store
from gateway_edge.answering import answer_every_request
from gateway_edge.body import BodyReader
from gateway_edge.drain import Drain
from gateway_edge.grant_cache import GrantCache
from gateway_edge.grant_channel import GrantChannel
from gateway_edge.grant_store import GrantStore
from gateway_edge.key_limits import KeyLimits
from gateway_edge.key_states import KeyStates
from gateway_edge.resources import BODIES, DRAIN, GRANT_CHANNEL, GRANTS, LIMITS, OPERATIONS, ROUTER, SETTINGS, USAGE
from gateway_edge.settings import EdgeSettings
from gateway_shared import postgres
from gateway_shared.hop_client import HopClient
from gateway_shared.multiprocess_metrics import compute
from gateway_shared.operations import Operations
from gateway_shared.tls import client_context

_NAME = "gateway-edge"


def edge_app(settings: EdgeSettings, states: KeyStates) -> web.Application:
    app = web.Application(middlewares=[answer_every_request])

    app[SETTINGS] = settings
    app[DRAIN] = Drain()
    app[OPERATIONS] = Operations("edge", __version__, checks={})
    app[status.PUBLIC_HEALTH] = status.PublicHealth(app[OPERATIONS])
    app[LIMITS] = KeyLimits(
        states, requests_per_minute=settings.requests_per_minute, concurrent_requests=settings.concurrent_requests
    )
    app[BODIES] = BodyReader(max_bytes=settings.max_body_bytes, max_bytes_in_flight=settings.max_body_bytes_in_flight)

    app.cleanup_ctx.append(_router)
    app.cleanup_ctx.append(_grants)
    app.cleanup_ctx.append(_usage)

    app.router.add_get("/health", status.health)
    app.router.add_get("/metrics", status.metrics)
    app.router.add_post("/v1/chat/completions", chat.chat_completions, expect_handler=chat.expect_body)
    app.router.add_get("/v1/models", models.show_models)
    app.router.add_get("/v1/models/{model:.+}", models.show_models)
    providers.add_routes(app.router)
    app.router.add_get("/v1/usage", usage.show_usage)
    app.router.add_get("/v1/organization/usage/completions", usage.show_usage)
    app.router.add_post(
        "/v1/langchain/chat/completions", chat.langchain_chat_completions, expect_handler=chat.expect_body
    )
    app.router.add_get("/v1/langchain/models", models.show_langchain_models)
    app.router.add_get("/v1/langchain/models/{model:.+}", models.show_langchain_models)
    return app


async def _router(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    app[ROUTER] = HopClient(
        settings.router_url, client_context(settings.tls_files), connections=settings.router_connections
    )
    compute(metrics.ROUTERS_EJECTED, lambda: app[ROUTER].ejected)
    app[OPERATIONS].checks["router"] = status.router_check(app[ROUTER])
    yield
    await app[ROUTER].close()


async def _grants(app: web.Application) -> AsyncIterator[None]:
    """The database may be away now: grants are looked up when they are needed."""
    settings = app[SETTINGS]
    pool = await postgres.create_pool(settings.postgres_dsn, settings.tls_files, application_name=_NAME)
    await pool
    cache = app[GRANTS] = GrantCache(GrantStore(pool).look_up)
    channel = app[GRANT_CHANNEL] = GrantChannel(
        lambda: postgres.connect(settings.postgres_dsn, settings.tls_files, application_name=f"{_NAME}-channel"), cache
    )
    compute(metrics.GRANT_CHANNEL_OPEN, channel.opened.is_set)
    app[OPERATIONS].checks["database"] = postgres.database_check(pool)
    app[OPERATIONS].tolerates["database"] = lambda: cache.can_serve_alone
    try:
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(channel.run())
            yield
            listening.cancel()
    finally:
        cache.close()
        pool.terminate()  # not close: that waits for a database that may be away


async def _usage(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    pool = await postgres.create_pool(
        settings.postgres_dsn, settings.tls_files, application_name=f"{_NAME}-usage", max_size=usage_store.POOL_SIZE
    )
    app[USAGE] = usage_store.UsageStore(pool)
    yield
    pool.terminate()
