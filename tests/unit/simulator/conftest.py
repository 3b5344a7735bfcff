"""A simulator per test."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.simulator.running import Simulator, running_simulator


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running_simulator(keep_bodies=True) as running:
        yield running
