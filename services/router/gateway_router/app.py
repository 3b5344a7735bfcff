"""The router: what it is made of, and in which order it starts and stops.

SIGTERM makes it unready at once; open calls get DRAIN_S, what remains ends with an error event and a
partial row. When usage can no longer be recorded it ends too: nothing is answered unbilled.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from gateway_router import metrics
from gateway_router.calls import ChatCalls
from gateway_router.hop_operations import operations
from gateway_router.limits import CallLimits
from gateway_router.litellm_catalogue import cost_map, guess_provider
from gateway_router.metering import Metering, open_metering
from gateway_router.model_list import model_list
from gateway_router.providers import registered_providers
from gateway_router.settings import RouterSettings
from gateway_router.speeches import open_speeches
from gateway_shared import canonical_log
from gateway_shared.hop_server import hop_app
from gateway_shared.operations import Operations
from gateway_shared.tls import certificate_expiry, server_context

STOP_TIMEOUT_S = 5.0


async def serve(settings: RouterSettings, health: Operations, stop: asyncio.Event) -> int:
    """Runs until `stop` is set. Returns the exit code: 0, or 1 when usage could no longer be recorded."""
    async with _metering(settings) as metering, _calls(settings, metering) as calls:
        health.checks.update(metering.checks)
        health.facts = lambda: {"providers": sorted(calls.providers), **metering.facts()}
        async with _listening(settings, calls):
            health.started = True
            canonical_log.info("router ready", port=settings.port, providers=sorted(calls.providers))
            stopped = asyncio.create_task(stop.wait(), name="stop")
            ends: set[asyncio.Future[Any]] = {stopped, metering.failed}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            health.draining = True
            canonical_log.info("router drains", open_calls=calls.open_calls, drain_s=settings.drain_s)
            await calls.finish(0 if metering.failed.done() else settings.drain_s)
    return 1 if metering.failed.done() else 0


@asynccontextmanager
async def _metering(settings: RouterSettings) -> AsyncIterator[Metering]:
    async with open_metering(
        journal_dir=settings.journal_dir,
        instance=settings.instance,
        amqp_url=settings.amqp_url,
        tls_files=settings.tls_files,
        postgres_dsn=settings.postgres_dsn,
    ) as metering:
        yield metering


@asynccontextmanager
async def _calls(settings: RouterSettings, metering: Metering) -> AsyncIterator[ChatCalls]:
    limits = CallLimits(
        call_s=settings.call_timeout_s,
        first_byte_s=settings.first_byte_timeout_s,
        silence_s=settings.silence_timeout_s,
        drains_abandoned=settings.abandoned_stream == "drain",
    )
    timeouts = {"connect_timeout_s": settings.connect_timeout_s, "call_timeout_s": limits.call_s}
    async with open_speeches(**timeouts) as speeches:
        yield ChatCalls(registered_providers(settings), speeches, metering.journal, limits, guess_provider)


@asynccontextmanager
async def _listening(settings: RouterSettings, calls: ChatCalls) -> AsyncIterator[None]:
    models = model_list(cost_map(), calls.providers.values())
    app = hop_app(operations(calls, models), deployment=settings.deployment)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=STOP_TIMEOUT_S)
    await runner.setup()
    try:
        await web.TCPSite(
            runner, settings.host, settings.port, ssl_context=server_context(settings.tls_files), backlog=1024
        ).start()
        metrics.CERT_EXPIRY.set(certificate_expiry(settings.tls_cert_file).timestamp())
        yield
    finally:
        await runner.cleanup()
