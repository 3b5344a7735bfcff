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

PATHS = ("router_to_broker", "billing_to_broker", "billing_to_database")


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
        await asyncio.sleep(1)
        with broken(owned, names, FaultyProxy.silent):
            await asyncio.sleep(6)  # longer than a publish may take
    await assert_undisturbed(seen, audited)


@pytest.mark.parametrize("delay_s", [1.0, pytest.param(30.0, marks=pytest.mark.long)])
async def test_slow_paths_delay_rows_and_add_none(owned: OwnedStack, audited: Audited, delay_s: float) -> None:
    async with traffic(owned) as seen:
        with broken(owned, PATHS, lambda proxy: proxy.slow(delay_s)):
            await asyncio.sleep(max(5.0, 2 * delay_s))
    await assert_undisturbed(seen, audited)


async def test_paths_that_are_reset_over_and_over_are_taken_anew_with_jitter(
    owned: OwnedStack, audited: Audited
) -> None:
    refused_s, to_broker = 5.0, PATHS[:2]
    async with traffic(owned) as seen:
        begun_s = time.monotonic()
        with broken(owned, to_broker, FaultyProxy.resetting):
            await asyncio.sleep(refused_s)
        for _ in range(10):
            for name in PATHS:
                getattr(owned.proxies, name).reset()
            await asyncio.sleep(0.3)
    for name in to_broker:
        tries_s = [at_s for at_s in getattr(owned.proxies, name).accepted_s if begun_s < at_s < begun_s + refused_s]
        pauses_s = [later - earlier for earlier, later in pairwise(tries_s)]
        print(f"{name}: tried again after {', '.join(f'{pause_s:.2f}' for pause_s in pauses_s)} s")
        assert 2 <= len(pauses_s) <= 20, "neither asleep nor a storm"
        assert len({round(pause_s, 2) for pause_s in pauses_s}) > 1, "always the same pause"
    await assert_undisturbed(seen, audited)
