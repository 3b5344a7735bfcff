from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.router.router_rig import RouterRig, Simulator, open_rig, open_simulator, providers_at
from tests.servers import Certificates


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with open_simulator() as running:
        yield running


@pytest.fixture
async def router(certificates: Certificates, tmp_path: Path, simulator: Simulator) -> AsyncIterator[RouterRig]:
    """A router whose four providers are the simulator."""
    async with open_rig(certificates, tmp_path, providers_at(simulator.url)) as rig:
        yield rig
