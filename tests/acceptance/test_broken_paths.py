"""The paths to the broker and to the database fail (RELIABILITY: F3): silent, slow, reset; each row is there once."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from itertools import pairwise

import pytest

from tests.acceptance.conftest import Audited
from tests.acceptance.faulty_proxy import FaultyProxy
from tests.acceptance.owned_stack import OwnedStack
from tests.acceptance.traffic import Traffic, traffic
from tests.servers import wait_until

PATHS = ("router_to_broker", "billing_to_broker", "billing_to_database")


GIVEN_UP_WITHIN_S = 18.0
"""Sooner than by heartbeats: a publish may take 5 s; the topology is declared each 5 s, which may take 5 s, and then
the database is asked first, for 4 s."""
STOPPED_WITHIN_S = 8.0
SILENT_S = 6.0
"""Longer than a publish may take."""
SLOW_S = 5.0
REFUSED_S = 5.0
RESETS, RESET_EVERY_S = 10, 0.3


def broken(
    owned: OwnedStack, names: tuple[str, ...], fault: Callable[[FaultyProxy], AbstractContextManager[None]]
) -> ExitStack:
    with ExitStack() as faults:
        for name in names:
            faults.enter_context(fault(getattr(owned.proxies, name)))
        return faults.pop_all()


async def assert_undisturbed(seen: Traffic, audited: Audited) -> None:
    assert seen.refused == [], "a path behind the router is no business of a client's"
    assert (await audited(seen)).is_exact


@pytest.mark.parametrize(
    "names", [PATHS, *(pytest.param((name,), marks=pytest.mark.long) for name in PATHS)], ids="+".join
)
async def test_a_path_that_goes_silent_is_given_up_and_a_new_one_taken(
    owned: OwnedStack, audited: Audited, names: tuple[str, ...]
) -> None:
    async with traffic(owned) as seen:
        await seen.until_answered(20)
        tries = {name: len(getattr(owned.proxies, name).accepted_s) for name in names}
        silent_since_s = time.monotonic()
        with broken(owned, names, FaultyProxy.silent):
            await asyncio.sleep(SILENT_S)
        for name in names:
            await taken_anew(owned, name, tries[name], silent_since_s)
    await assert_undisturbed(seen, audited)
    for service in (owned.router, owned.billing):  # neither waits for a goodbye of what has gone silent
        stopping_s = time.monotonic()
        service.stop()
        assert time.monotonic() - stopping_s < STOPPED_WITHIN_S
        service.launch()
    await asyncio.to_thread(owned.router.wait_until_ready)
    await asyncio.to_thread(owned.billing.wait_until_ready)


async def taken_anew(owned: OwnedStack, name: str, tries: int, since_s: float) -> None:
    accepted_s = getattr(owned.proxies, name).accepted_s
    await asyncio.to_thread(
        wait_until, lambda: len(accepted_s) > tries, what=f"{name} is taken anew", timeout_s=2 * GIVEN_UP_WITHIN_S
    )
    print(f"{name}: taken anew after {accepted_s[tries] - since_s:.1f} s")
    assert accepted_s[tries] - since_s < GIVEN_UP_WITHIN_S


@pytest.mark.parametrize("delay_s", [1.0, pytest.param(30.0, marks=pytest.mark.long)])
async def test_slow_paths_delay_rows_and_add_none(owned: OwnedStack, audited: Audited, delay_s: float) -> None:
    async with traffic(owned) as seen:
        with broken(owned, PATHS, lambda proxy: proxy.slow(delay_s)):
            await asyncio.sleep(max(SLOW_S, 2 * delay_s))
    await assert_undisturbed(seen, audited)


async def test_paths_that_are_reset_over_and_over_are_taken_anew_with_jitter(
    owned: OwnedStack, audited: Audited
) -> None:
    to_broker = PATHS[:2]
    async with traffic(owned) as seen:
        begun_s = time.monotonic()
        with broken(owned, to_broker, FaultyProxy.resetting):
            await asyncio.sleep(REFUSED_S)
        for _ in range(RESETS):
            for name in PATHS:
                getattr(owned.proxies, name).reset()
            await asyncio.sleep(RESET_EVERY_S)
    for name in to_broker:
        tries_s = [at_s for at_s in getattr(owned.proxies, name).accepted_s if begun_s < at_s < begun_s + REFUSED_S]
        pauses_s = [later - earlier for earlier, later in pairwise(tries_s)]
        print(f"{name}: tried again after {', '.join(f'{pause_s:.2f}' for pause_s in pauses_s)} s")
        assert 2 <= len(pauses_s) <= 20, "neither asleep nor a storm"
        assert len({round(pause_s, 2) for pause_s in pauses_s}) > 1, "always the same pause"
    await assert_undisturbed(seen, audited)
