"""The router: what it is made of, and in which order it starts and stops.

SIGTERM makes it unready at once; open calls get DRAIN_S, what remains ends with an error event and a
partial row. When usage can no longer be recorded it ends too: nothing is answered unbilled.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvloop

from gateway_router import metrics
from gateway_router.api_operations import model_api, provider_api
from gateway_router.calls import ChatCalls
from gateway_router.configuration import Directory
from gateway_router.egress import EgressGuard
from gateway_router.environment_providers import environment_configuration
from gateway_router.hop_operations import operations
from gateway_router.key_ring import KeyRing, read_key_ring
from gateway_router.leftovers import end_leftovers
from gateway_router.limits import CallLimits
from gateway_router.litellm_catalogue import guess_provider
from gateway_router.metering import Metering, open_metering
from gateway_router.resilience import Resilience
from gateway_router.settings import RouterSettings
from gateway_router.speeches import open_speeches
from gateway_router.stored_providers import StoredProviders, open_stored_providers
from gateway_shared import canonical_log
from gateway_shared.hop_server import HopServer, serve_hop
from gateway_shared.listener import Listener
from gateway_shared.multiprocess_metrics import compute
from gateway_shared.operations import Operations
from gateway_shared.tls import certificate_expiry, server_context
from gateway_shared.workers import Worker

GOODBYE_S = 5.0
LEFTOVERS_S = 2.0


def work(worker: Worker, settings: RouterSettings, version: str) -> int:
    """The life of a worker; returns its exit code: 0, or 1 when usage could no longer be recorded."""
    return uvloop.run(_whole_life(settings.of_one_worker(), worker, Operations("router", version, checks={})))


async def _whole_life(settings: RouterSettings, worker: Worker, health: Operations) -> int:
    try:
        return await _serve(settings, worker, health)
    finally:
        await end_leftovers(timeout_s=LEFTOVERS_S)


async def _serve(settings: RouterSettings, worker: Worker, health: Operations) -> int:
    async with (
        worker.reporting(health),
        _metering(settings) as metering,
        _stored_providers(settings) as stored,
        _calls(settings, metering, stored.directory) as calls,
    ):
        health.checks.update(metering.checks)
        health.facts = lambda: {**stored.directory.facts(), **metering.facts()}
        async with _listening(settings, calls, stored, worker.listener) as hop:
            health.started = True
            worker.announce(health)
            canonical_log.info(
                "router ready", port=settings.port, providers=stored.directory.names, worker=worker.number
            )
            stopped = asyncio.create_task(worker.stopping.wait(), name="stop")
            ends: set[asyncio.Future[Any]] = {stopped, metering.failed}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            health.draining = True
            canonical_log.info("router drains", open_calls=calls.open_calls, drain_s=settings.drain_s)
            draining = asyncio.create_task(_drain(hop, calls, 0 if metering.failed.done() else settings.drain_s))
            hurrying = asyncio.create_task(worker.hurrying.wait(), name="hurry")
            await asyncio.wait({draining, hurrying}, return_when=asyncio.FIRST_COMPLETED)
            hurrying.cancel()
            if not draining.done():
                draining.cancel()
                await _drain(hop, calls, 0)
    return 1 if metering.failed.done() else 0


async def _drain(hop: HopServer, calls: ChatCalls, drain_s: float) -> None:
    """Open calls get `drain_s`; the clients of what remains get GOODBYE_S to hear that it ended."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + drain_s
    await hop.drain(drain_s)
    await calls.finish(max(0.0, end_s - loop.time()))
    await hop.drain(GOODBYE_S)


@asynccontextmanager
async def _metering(settings: RouterSettings) -> AsyncIterator[Metering]:
    async with open_metering(
        journal_dir=settings.journal_dir,
        instance=settings.instance,
        amqp_url=settings.amqp_url,
        tls_files=settings.tls_files,
        postgres_dsn=settings.postgres_dsn,
        reserve_bytes=settings.journal_reserve_bytes,
    ) as metering:
        yield metering


@asynccontextmanager
async def _stored_providers(settings: RouterSettings) -> AsyncIterator[StoredProviders]:
    async with open_stored_providers(
        environment_configuration(settings),
        _key_ring(settings),
        allowed_hosts=settings.egress_allow_hosts,
        journal_dir=settings.journal_dir,
        instance=settings.instance,
        postgres_dsn=settings.postgres_dsn,
        tls_files=settings.tls_files,
    ) as stored:
        yield stored


@asynccontextmanager
async def _calls(settings: RouterSettings, metering: Metering, directory: Directory) -> AsyncIterator[ChatCalls]:
    limits = CallLimits(
        call_s=settings.call_timeout_s,
        first_byte_s=settings.first_byte_timeout_s,
        silence_s=settings.silence_timeout_s,
        keep_alive_s=settings.keep_alive_s,
        drains_abandoned=settings.abandoned_stream == "drain",
    )
    async with open_speeches(
        EgressGuard(settings.egress_allow_hosts),
        connect_timeout_s=settings.connect_timeout_s,
        call_timeout_s=limits.call_s,
        http_client=settings.provider_client,
        max_held_bytes=settings.answers_max_bytes,
    ) as speeches:
        resilience = Resilience.of(settings)
        yield ChatCalls(directory, speeches, metering.journal, limits, guess_provider, resilience=resilience)


def _key_ring(settings: RouterSettings) -> KeyRing | None:
    return read_key_ring(settings.provider_key_ring_file) if settings.provider_key_ring_file else None


@asynccontextmanager
async def _listening(
    settings: RouterSettings, calls: ChatCalls, stored: StoredProviders, listener: Listener
) -> AsyncIterator[HopServer]:
    providers = provider_api(stored, calls, allowed_hosts=settings.egress_allow_hosts)
    models = model_api(stored.directory, stored.read_prices)
    max_open_calls = -(-settings.max_open_calls // settings.workers)
    async with serve_hop(
        operations(calls.serve, models.serve, providers.serve, max_open_calls=max_open_calls),
        listener=listener,
        tls=server_context(settings.tls_files),
        deployment=settings.deployment,
    ) as hop:
        # computed: the file is followed
        compute(metrics.CERT_EXPIRY, lambda: certificate_expiry(settings.tls_cert_file).timestamp())
        yield hop
