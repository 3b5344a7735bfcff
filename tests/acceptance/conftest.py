"""One stack with the simulator for all acceptance tests, and the ledger as the billing team reads it."""

from collections.abc import Iterator

import pytest

from tests.acceptance.ledger import Ledger
from tests.acceptance.stack import Stack, running_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture
def ledger(stack: Stack) -> Ledger:
    return Ledger(stack.run["postgres_dsn"])
