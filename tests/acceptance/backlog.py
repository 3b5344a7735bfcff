"""What the router holds and the broker has not confirmed."""

import asyncio

from tests.acceptance.metrics_text import total
from tests.acceptance.owned_stack import OwnedStack
from tests.acceptance.stack import get_text
from tests.servers import wait_until


async def published_all(owned: OwnedStack) -> None:
    def unpublished() -> float:
        return total(get_text(f"{owned.ops_url('router')}/metrics"), "gateway_usage_unpublished_events")

    await asyncio.to_thread(wait_until, lambda: unpublished() == 0, what="an empty journal")
