"""A second router that starts on the journal volume of one that has fifty streams open (RELIABILITY: mechanism 2)."""

import asyncio
import time
from collections import Counter

from gateway_router.journal_upkeep import ADOPT_EVERY_S
from tests.acceptance.beside import edge_with_routers, second_on_the_volume
from tests.acceptance.ledger import Ledger
from tests.acceptance.stack import Stack
from tests.acceptance.streams import finished, held, opened, provider_log, release, rows_of

STREAMS = 50
ROWS_WITHIN_S = 20.0


async def test_it_adds_nothing_until_they_end_and_then_all_are_settled(stack: Stack, ledger: Ledger) -> None:
    print(f"{await ledger.event_count()} events before")
    with edge_with_routers(stack, 1, CONCURRENT_REQUESTS="1000") as (edge, (router,)):
        streams = await opened(stack, edge.port, STREAMS, "words=5 hold_after=2")
        await held(stack, STREAMS)
        second = second_on_the_volume(router)
        second.start()
        try:
            await asyncio.to_thread(second.wait_until_ready)
            started_s = time.monotonic()
            while time.monotonic() - started_s < 1.3 * ADOPT_EVERY_S:  # it looks for journals at least twice
                assert await rows_of(ledger, streams, within_s=5, at_least=0) == {}
            await release(stack)
            await finished(streams)
            rows = await rows_of(ledger, streams, within_s=ROWS_WITHIN_S)
        finally:
            second.kill()
    print(
        f"{STREAMS} clients, {len(await provider_log(stack, streams))} calls at the provider; "
        f"no event beside the second router, then {len(rows)}"
    )
    assert all(stream.is_complete for stream in streams)
    assert Counter(row["status"] for row in rows.values()) == {"settled": STREAMS}
    assert len({row["producer"] for row in rows.values()}) == 1
