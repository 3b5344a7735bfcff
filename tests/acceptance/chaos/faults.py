"""What chaos does to a stack. Each fault takes the parts that it needs for itself, and leaves them whole."""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import asyncpg

from bench.processes import tree
from gateway_shared.topology import LEDGER_QUEUE, USAGE_EXCHANGE, USAGE_ROUTING_KEY
from tests.acceptance.chaos.keeper import Keeper
from tests.acceptance.faulty_proxy import FaultyProxy
from tests.acceptance.owned_stack import OwnedStack
from tests.broker import channel_of
from tests.servers import wait_until

SERVERS = ("broker", "database")
"""Parts that others' faults need; services are left to come up by themselves."""

CONSUMERS_PARTS = frozenset({"billing", "billing_to_broker", "billing_to_database", *SERVERS})
POLL_S = 0.02

ALARMS = {
    "memory": ("set_vm_memory_high_watermark 0.00001", "set_vm_memory_high_watermark 0.4"),
    "disk": ("set_disk_free_limit 1000000000000000", "set_disk_free_limit 50000000"),
}
"""What raises an alarm of the broker, and what sets the limit back (rabbitmqctl)."""


@dataclass(frozen=True)
class Site:
    """Where a fault happens."""

    stack: OwnedStack
    keeper: Keeper


@dataclass(frozen=True)
class Fault:
    """`parts` are those that nobody else may break meanwhile. `strike` returns when it is over."""

    name: str
    parts: frozenset[str]
    strike: Callable[[Site, random.Random], Awaitable[None]]


def kill(part: str, longest_down_s: float) -> Fault:
    async def strike(site: Site, chance: random.Random) -> None:
        with site.keeper.down(part) as server:
            server.kill()
            await asyncio.sleep(chance.uniform(0, longest_down_s))
        await _up(site, part)

    return Fault(f"SIGKILL {part}", frozenset({part}), strike)


def restart(part: str) -> Fault:
    async def strike(site: Site, chance: random.Random) -> None:
        with site.keeper.down(part) as server:
            await asyncio.to_thread(server.stop)
        await _up(site, part)

    return Fault(f"restart {part}", frozenset({part}), strike)


def stop(part: str, longest_s: float) -> Fault:
    """All processes of it: a server's children would go on without their parent."""

    async def strike(site: Site, chance: random.Random) -> None:
        pids = tree([site.keeper.parts[part].pid])
        _send(pids, signal.SIGSTOP)
        try:
            await asyncio.sleep(chance.uniform(1, longest_s))
        finally:
            _send(pids, signal.SIGCONT)

    return Fault(f"SIGSTOP {part}", frozenset({part}), strike)


def alarm(kind: str) -> Fault:
    async def strike(site: Site, chance: random.Random) -> None:
        raised, cleared = ALARMS[kind]
        await asyncio.to_thread(site.stack.rabbitmq.control, *raised.split())
        try:
            await asyncio.sleep(chance.uniform(2, 10))
        finally:
            await asyncio.to_thread(site.stack.rabbitmq.control, *cleared.split())

    return Fault(f"{kind} alarm", frozenset({"broker"}), strike)


def broken_path(name: str, fault: str, how: Callable[[FaultyProxy], AbstractContextManager[None]]) -> Fault:
    """`name` is that of the proxy: who reaches what."""

    async def strike(site: Site, chance: random.Random) -> None:
        with how(getattr(site.stack.proxies, name)):
            await asyncio.sleep(chance.uniform(1, 8))

    return Fault(f"{fault} {name.replace('_', ' ')}", frozenset({name}), strike)


async def _delete_queue(site: Site, chance: random.Random) -> None:
    """With all that waits in it, which the router misses and sends again."""
    await site.keeper.ready("billing")
    broker = site.stack.rabbitmq
    async with channel_of(broker, "billing") as channel:
        await channel.queue_delete(LEDGER_QUEUE)

    def is_consumed() -> bool:
        return f"{LEDGER_QUEUE}\t1" in broker.control("-q", "list_queues", "name", "consumers")

    await asyncio.to_thread(wait_until, is_consumed, what="the queue declared and consumed again")
    await asyncio.to_thread(broker.sync)


async def _delete_binding(site: Site, chance: random.Random) -> None:
    async with channel_of(site.stack.rabbitmq, "billing") as channel:
        queue = await channel.get_queue(LEDGER_QUEUE, ensure=False)
        await queue.unbind(USAGE_EXCHANGE, USAGE_ROUTING_KEY)


async def _delete_exchange(site: Site, chance: random.Random) -> None:
    async with channel_of(site.stack.rabbitmq, "billing") as channel:
        await channel.exchange_delete(USAGE_EXCHANGE)


async def _lock_ratings(site: Site, chance: random.Random) -> None:
    owner = await asyncpg.connect(site.stack.run["postgres_owner_dsn"], timeout=10)
    try:
        async with owner.transaction():
            await owner.execute("LOCK TABLE billing.rating IN ACCESS EXCLUSIVE MODE")
            await asyncio.sleep(chance.uniform(2, 10))
    finally:
        await owner.close()


FAULTS = (
    *(kill(part, 1.0) for part in ("edge", "router", "billing")),
    *(kill(part, 8.0) for part in SERVERS),
    *(restart(part) for part in ("router", "billing", *SERVERS)),
    *(stop(part, 8.0) for part in ("billing", *SERVERS)),
    *(stop(part, 2.0) for part in ("edge", "router")),
    *(alarm(kind) for kind in ALARMS),
    *(
        broken_path(name, fault, how)
        for name in ("router_to_broker", "billing_to_broker", "billing_to_database")
        for fault, how in (
            ("silent", FaultyProxy.silent),
            ("resetting", FaultyProxy.resetting),
            ("slow", lambda proxy: proxy.slow(2.0)),
        )
    ),
    Fault("delete queue", CONSUMERS_PARTS, _delete_queue),
    Fault("delete binding", frozenset({"broker"}), _delete_binding),
    Fault("delete exchange", frozenset({"broker"}), _delete_exchange),
    Fault("lock on the ledger's table", frozenset({"database"}), _lock_ratings),
)


async def _up(site: Site, part: str) -> None:
    if part in SERVERS:
        await site.keeper.ready(part)


def _send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:  # a connection's process has ended meanwhile
            continue
