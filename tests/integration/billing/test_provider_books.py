"""Books of providers with prices of their own, as the router makes them: shown, carried elsewhere, rated again by."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import orjson
import pytest

from gateway_billing.price_file import parse_price_file
from tests.integration.billing.books import OwnBooks, ratings, record
from tests.integration.billing.running_billing import environment, query, run_command
from tests.servers import Certificates, Postgres

SPAN = ("--from", "2026-01-01", "--to", "2100-01-01")


@pytest.fixture
def books(command_env: dict[str, str], tmp_path: Path) -> OwnBooks:
    return OwnBooks(command_env, tmp_path)


@pytest.fixture
def provider() -> str:
    return f"openai@p-{uuid4().hex}"


async def publish(database: Postgres, provider: str, model: str, *, usd: int) -> int | None:
    """The number of the version, input and output at that rate; None where that stands already."""
    sql = "SELECT billing.publish_provider_prices($1, $2, $3, $4)"
    ((version,),) = await query(database, "router", sql, provider, [model] * 2, ["input", "output"], [usd * 10**9] * 2)
    return None if version is None else int(version)


async def test_a_model_is_shown_once_for_all_providers_that_cost_as_their_kind(
    books: OwnBooks, ledger_database: Postgres, provider: str
) -> None:
    books.import_prices()
    await publish(ledger_database, provider, "another", usd=5)
    own = f"{provider}-2"
    await publish(ledger_database, own, books.model, usd=3)
    shown = books.run("prices", "show", "--model", books.model)
    assert [line for line in shown.splitlines() if not line.startswith(" ")] == [
        f"openai/{books.model}", f"{own}/{books.model}",
    ]  # fmt: skip
    assert f"openai/{books.model}" in books.run("prices", "show", "--model", books.model, "--provider", provider)


@pytest.fixture
def empty_database(servers_folder: Path, certificates: Certificates) -> Iterator[Postgres]:
    server = Postgres(servers_folder / f"postgres-{uuid4().hex[:8]}", certificates)
    server.start()
    yield server
    server.stop()


async def test_a_providers_book_is_exported_and_imported_into_an_empty_database(
    books: OwnBooks,
    ledger_database: Postgres,
    certificates: Certificates,
    empty_database: Postgres,
    provider: str,
    tmp_path: Path,
) -> None:
    version = await publish(ledger_database, provider, books.model, usd=3)
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    export = ("export-prices", "--book", f"provider/{provider}", "--output")
    books.run(*export, str(first))
    file = parse_price_file(first.read_bytes())
    assert [(price.provider, price.model) for price in file.models] == [(provider, books.model)]

    for role, command in (("operator", ["migrate"]), ("billing", ["import-prices", "--strict", str(first)])):
        there = environment(certificates, empty_database, role)
        done = run_command(there, *command)
        assert done.returncode == 0, done.stderr
    assert run_command(there, *export, str(second)).returncode == 0
    assert orjson.loads(second.read_bytes()) == orjson.loads(first.read_bytes())
    shown = run_command(there, "prices", "show", "--model", books.model, "--provider", provider).stdout
    assert f"{provider}/{books.model}\n  book provider/{provider}, version 1" in shown
    assert version != 1


async def test_a_provider_that_was_deleted_and_added_again_leaves_each_call_its_price(
    books: OwnBooks, ledger_database: Postgres, provider: str
) -> None:
    books.import_prices()
    amounts = []
    # with prices; deleted and added without any; added with other prices, and then with the first ones again
    for usd in (3, None, 4, 3):
        if usd is not None:
            assert await publish(ledger_database, provider, books.model, usd=usd)
        of_whom = provider if usd is not None else "openai"
        await record(ledger_database, [books.event(datetime.now(UTC), price_provider=of_whom)])
        amounts.append(29 * (usd or 1) * 1_000)
    before = await ratings(ledger_database, books.tenant, "cost")
    assert [row["nano_usd"] for row in before] == amounts
    done = books.run("rerate", *SPAN, "--tenant", books.tenant, "--reason", "nothing has changed")
    assert "4 events looked at" in done
    assert await ratings(ledger_database, books.tenant, "cost") == before
