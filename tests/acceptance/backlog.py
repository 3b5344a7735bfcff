"""What the router holds and the broker has not confirmed."""

import asyncio

from tests.acceptance.metrics_text import total
from tests.acceptance.owned_stack import OwnedStack
from tests.acceptance.stack import get_text
from tests.servers import wait_until


def usage_metric(owned: OwnedStack, name: str, **labels: str) -> float:
    """The router's `gateway_usage_<name>`."""
    return total(get_text(f"{owned.ops_url('router')}/metrics"), f"gateway_usage_{name}", **labels)


async def published_all(owned: OwnedStack) -> None:
    """Returns when it holds nothing; then it is connected, and all that was produced was confirmed (I5)."""
    await asyncio.to_thread(wait_until, lambda: usage_metric(owned, "unpublished_events") == 0, what="an empty journal")
    assert usage_metric(owned, "broker_connected") == 1
    assert usage_metric(owned, "unaccounted_events") == 0


async def told_that_usage_waits(owned: OwnedStack) -> None:
    """Returns when the metrics say that the broker takes nothing, and that the journal holds what it does not take."""

    def is_told() -> bool:
        return usage_metric(owned, "broker_connected") == 0 and usage_metric(owned, "unpublished_events") > 0

    await asyncio.to_thread(wait_until, is_told, what="metrics that tell of usage that waits")
