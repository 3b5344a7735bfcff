"""One stack with the simulator for all acceptance tests, and the ledger as the billing team reads it."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
from gateway_local.first_steps import PRICE_OVERRIDES

from gateway_router.price_export import export_prices
from tests.acceptance.audit import Audit, audit
from tests.acceptance.ledger import Ledger
from tests.acceptance.owned_stack import OwnedStack, owned_stack
from tests.acceptance.price_list import PriceList
from tests.acceptance.stack import Stack, running_stack
from tests.acceptance.traffic import Traffic


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture
def ledger(stack: Stack) -> Ledger:
    return Ledger(stack.run["postgres_dsn"])


@pytest.fixture
async def admin(stack: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    """A client with the admin key."""
    headers = {"Authorization": f"Bearer {stack.run['admin_key']}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield session


@pytest.fixture(scope="session")
def owned() -> Iterator[OwnedStack]:
    """For faults that `stack` mends by itself; who breaks it makes it whole again."""
    with owned_stack() as owned:
        yield owned


@pytest.fixture
def owned_ledger(owned: OwnedStack) -> Ledger:
    return Ledger(owned.run["postgres_dsn"])


@pytest.fixture(scope="session")
def prices() -> PriceList:
    """Of the price files that a stack imports."""
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "prices.json"
        export_prices(exported)
        return PriceList(exported, PRICE_OVERRIDES)


Audited = Callable[[Traffic], Awaitable[Audit]]


@pytest.fixture
async def audited(owned: OwnedStack, owned_ledger: Ledger, prices: PriceList) -> Audited:
    """Judges the ledger of `owned` by what these clients saw, once it has a row for every call."""
    print(f"\nledger before: {await owned_ledger.event_count()} rows")

    async def audited(seen: Traffic) -> Audit:
        return await audit(owned_ledger, owned.simulator_url, seen.outcomes, prices)

    return audited
