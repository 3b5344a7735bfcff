"""The billing service put together: the pool, the consumer, the upkeep, the operations port."""

import asyncio
import signal

from gateway_billing import __version__
from gateway_billing.book_keeper import BookKeeper
from gateway_billing.consumer import Consumer
from gateway_billing.database import STATEMENT_TIMEOUT_S
from gateway_billing.settings import BillingSettings
from gateway_billing.upkeep import keep_books, keep_checkpoints, keep_completeness, keep_partitions
from gateway_shared import canonical_log, garbage, postgres
from gateway_shared.operations import Operations, serve_operations

_POOL_SIZE = 5


async def serve(settings: BillingSettings) -> None:
    """Until SIGTERM or SIGINT; the batch in hand is finished first."""
    pool = await postgres.create_pool(
        settings.postgres_dsn,
        settings.tls,
        application_name="gateway-billing",
        max_size=_POOL_SIZE,
        renew_after_s=settings.connection_max_age_s,
    )
    keeper = BookKeeper(pool)
    consumer = Consumer(settings.amqp_url, settings.tls, pool, keeper, renew_after_s=settings.connection_max_age_s)
    operations = Operations(
        service="billing",
        version=__version__,
        checks={"broker": consumer.check, "database": postgres.database_check(pool), "prices": keeper.check},
        started=True,
    )

    def stop() -> None:
        operations.draining = True
        canonical_log.info("stopping")
        consumer.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    async with serve_operations(operations, settings.ops_host, settings.ops_port):
        canonical_log.info("started", version=__version__)
        garbage.settle()
        async with asyncio.TaskGroup() as tasks:
            kept = (keep_books(keeper), keep_partitions(pool), keep_checkpoints(pool), keep_completeness(pool))
            upkeep = [tasks.create_task(one) for one in kept]
            await consumer.run()
            for task in upkeep:
                task.cancel()
    pool.terminate()
    canonical_log.info("stopped", within_s=STATEMENT_TIMEOUT_S)
