"""Chaos: load from many clients while faults strike, two at a time; then the ledger must be exact."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field, replace

import orjson

from gateway_router.journal_upkeep import REPAIR_EVERY_S
from gateway_router.ledger_repair import SENT_AGAIN
from tests.acceptance.audit import Audit, audit
from tests.acceptance.chaos.faults import FAULTS, Fault, Site
from tests.acceptance.chaos.keeper import Keeper
from tests.acceptance.chaos.schedule import order_of
from tests.acceptance.ledger import Ledger
from tests.acceptance.owned_stack import OwnedStack
from tests.acceptance.price_list import PriceList
from tests.acceptance.traffic import Ask, Outcome, ordinary, traffic

REQUESTS_PER_S = 25.0
LANES = 2
LONGEST_PAUSE_S = 3.0
ROWS_WITHIN_S = 12 * REPAIR_EVERY_S
"""What a deleted queue took comes back at the fourth look at the latest."""
CLIENT_LEAVES, PROVIDER_FAILS = 0.08, 0.12
"""Shares of the requests."""

PROVIDER_FAULTS = (
    "status=500", "status=503 retry_after=1", "status=429 retry_after=1", "status=400", "drop", "hang",
    "cut_after=2", "cut_after=2 cut=close", "cut_after=0", "stall_after=2", "malformed_after=2", "error_after=2",
    "no_usage", "no_done", "headers_ms=800", "split=7",
)  # fmt: skip
PATIENCE = {
    "PROVIDER_FIRST_BYTE_TIMEOUT_S": "10",
    "PROVIDER_SILENCE_TIMEOUT_S": "10",
    "PROVIDER_CALL_TIMEOUT_S": "15",
    "DRAIN_S": "3",
}
"""The router's: what hangs at a provider ends soon after the last request, and holds up no restart."""


@dataclass
class Chaos:
    """One run's account of itself."""

    seed: int
    struck: Counter[str] = field(default_factory=Counter)
    outcomes: list[Outcome] = field(default_factory=list)
    starts: Counter[str] = field(default_factory=Counter)
    lasted_s: float = 0.0
    sent_again: int = 0
    """Events that the routers missed in the ledger after the broker had confirmed them."""
    audit: Audit = field(default_factory=Audit)


def troubled(chance: random.Random) -> Ask:
    """An ordinary request, or one whose client leaves, or whose provider fails."""
    ask, roll = ordinary(chance), chance.random()
    if roll < CLIENT_LEAVES:
        return replace(ask, stream=True, leaves_after=chance.randrange(20))
    if roll < CLIENT_LEAVES + PROVIDER_FAILS:
        return replace(ask, directive=f"{ask.directive} {chance.choice(PROVIDER_FAULTS)}")
    return ask


async def chaos(stack: OwnedStack, prices: PriceList, *, for_s: float, seed: int) -> Chaos:
    """Goes on for `for_s`, and until each fault has struck once; then all is made whole, and judged."""
    told, keeper, chance = Chaos(seed), Keeper(stack), random.Random(seed)
    site = Site(stack, keeper)
    faults = order_of(FAULTS, chance)
    locks = {part: asyncio.Lock() for fault in FAULTS for part in fault.parts}
    begun_s = time.monotonic()

    async def lane(chance: random.Random) -> None:
        while time.monotonic() < begun_s + for_s or len(told.struck) < len(FAULTS):
            fault = next(faults)
            for part in sorted(fault.parts):
                await locks[part].acquire()
            try:
                await _strike(fault, site, chance, told, begun_s)
            finally:
                for part in fault.parts:
                    locks[part].release()
            await asyncio.sleep(chance.uniform(0, LONGEST_PAUSE_S))

    keeping = asyncio.create_task(keeper.run())
    try:
        async with traffic(stack, per_s=REQUESTS_PER_S, seed=seed, draw=troubled) as seen, asyncio.TaskGroup() as lanes:
            for _ in range(LANES):
                lanes.create_task(lane(random.Random(chance.random())))
        told.lasted_s = time.monotonic() - begun_s
        await keeper.ready(*keeper.parts)
    finally:
        keeping.cancel()
    told.outcomes, told.starts = seen.outcomes, keeper.starts
    ledger = Ledger(stack.run["postgres_dsn"])
    told.audit = await audit(ledger, stack.simulator_url, seen.outcomes, prices, within_s=ROWS_WITHIN_S)
    told.sent_again = sent_again(stack)
    return told


def sent_again(stack: OwnedStack) -> int:
    """By the log, which outlives the routers that were killed."""
    lines = map(orjson.loads, (stack.home.logs / "router.log").read_bytes().splitlines())
    return sum(line["published_events"] for line in lines if line["message"] == SENT_AGAIN)


async def _strike(fault: Fault, site: Site, chance: random.Random, told: Chaos, begun_s: float) -> None:
    since_s = time.monotonic()
    await fault.strike(site, chance)
    told.struck[fault.name] += 1
    print(f"{since_s - begun_s:7.1f} s  {fault.name}, {time.monotonic() - since_s:.1f} s", flush=True)
