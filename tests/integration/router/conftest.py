import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from tests.integration.router.attempts_rig import OpenRig, Scripted, opening
from tests.integration.router.router_rig import RouterRig, Simulator, open_rig, open_simulator, providers_at
from tests.servers import Certificates


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The provider client is tested on both loops: services run on uvloop."""
    loops = {"asyncio": asyncio.new_event_loop}
    if item.path.name == "test_http1_fuzz.py":
        return {"uvloop": uvloop.new_event_loop}
    return {**loops, "uvloop": uvloop.new_event_loop} if item.path.name.startswith("test_http1") else loops


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with open_simulator() as running:
        yield running


@pytest.fixture
async def router(certificates: Certificates, tmp_path: Path, simulator: Simulator) -> AsyncIterator[RouterRig]:
    """A router whose four providers are the simulator."""
    async with open_rig(certificates, tmp_path, providers_at(simulator.url)) as rig:
        yield rig


@pytest.fixture
def provider(simulator: Simulator) -> Scripted:
    """A simulator whose models are told what to do."""
    return Scripted(simulator)


@pytest.fixture
def rig(certificates: Certificates, tmp_path: Path) -> OpenRig:
    """Opens routers that try again."""
    return opening(certificates, tmp_path)
