"""The operator's view of prices: what a model costs at a time, a book as a file, and what a file forgets."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from gateway_billing.price_file import parse_price_file
from gateway_shared.usage_event import TokenCounts
from tests.integration.billing.books import OwnBooks, record
from tests.integration.billing.conftest import OVERRIDES
from tests.integration.billing.running_billing import run_command
from tests.servers import Postgres


@pytest.fixture
def books(command_env: dict[str, str], tmp_path: Path) -> OwnBooks:
    return OwnBooks(command_env, tmp_path)


def test_prices_show_says_what_an_event_of_then_would_be_priced_by(books: OwnBooks) -> None:
    books.import_prices(effective_from="2026-02-01T00:00:00Z", cached_input=125_000_000)
    books.import_prices(effective_from="2026-03-01T00:00:00Z", input=2_500_000_000)
    shown = books.run("prices", "show", "--model", books.model, "--at", "2026-02-15")
    assert f"openai/{books.model}\n  book book-{books.model}, version" in shown
    assert "from 2026-02-01T00:00:00Z on" in shown
    assert "  input, standard: 1 USD per million tokens\n  cached_input, standard: 0.125 USD" in shown
    later = books.run("prices", "show", "--model", books.model, "--provider", "openai")
    assert "input, standard: 2.5 USD per million tokens" in later
    assert "cached_input" not in later
    none = run_command(books.env, "prices", "show", "--model", "no-such-model")
    assert (none.returncode, "no price for no-such-model" in none.stderr) == (1, True)


def test_a_stand_in_price_is_shown_as_one(books: OwnBooks) -> None:
    shown = books.run("prices", "show", "--model", "Llama-3.3-70B-Instruct", "--provider", "meta")
    assert "note: Meta publishes no price of its own for this model" in shown


def test_an_exported_book_is_imported_as_the_same_prices(books: OwnBooks, tmp_path: Path) -> None:
    exported = tmp_path / "exported.json"
    books.run("export-prices", "--book", "overrides", "--output", str(exported))
    ours, theirs = parse_price_file(OVERRIDES.read_bytes()), parse_price_file(exported.read_bytes())
    assert set(map(repr_of, ours.models)) == set(map(repr_of, theirs.models))
    assert (ours.book, ours.precedence, ours.effective_from) == (theirs.book, theirs.precedence, theirs.effective_from)

    assert "overrides, " in (again := books.run("import-prices", str(exported)))
    assert "already imported" in again
    assert "warning" not in again

    renamed = orjson.loads(exported.read_bytes()) | {"book": books.model}
    (tmp_path / "renamed.json").write_bytes(orjson.dumps(renamed))
    books.run("import-prices", str(tmp_path / "renamed.json"))
    books.run("export-prices", "--book", books.model, "--output", str(exported))
    assert orjson.loads(exported.read_bytes()) == renamed


def test_what_comes_with_a_release_never_replaces_an_operators_own(books: OwnBooks) -> None:
    """As each start of a stack imports it."""
    first, second = (str(books.price_file("2026-01-01T00:00:00Z", input=rate)) for rate in (10**9, 2 * 10**9))
    own = str(books.price_file("2026-01-01T00:00:00Z", input=7 * 10**9))
    assert "version" in books.run("import-prices", "--bundled", first)
    assert "version" in books.run("import-prices", "--bundled", second)  # an upgrade
    assert "already imported" in books.run("import-prices", "--bundled", second)
    books.run("import-prices", own)
    for file in (first, second):
        told = books.run("import-prices", "--bundled", "--strict", file)
        assert "is your own" in told
        assert "warning" not in told
    assert "input, standard: 7 USD" in books.run("prices", "show", "--model", books.model)
    assert "version" in books.run("import-prices", second)  # said by the operator, it counts


def repr_of(price: object) -> str:
    return repr(price).casefold()


async def test_a_price_without_a_cached_rate_for_calls_with_cached_tokens_is_told_or_refused(
    books: OwnBooks, ledger_database: Postgres
) -> None:
    event = books.event(tokens=TokenCounts(input_tokens=9, cached_input_tokens=4, output_tokens=20))
    await record(ledger_database, [event])
    strict = run_command(books.env, "import-prices", "--strict", str(books.price_file(effective_from=None)))
    assert strict.returncode == 2
    assert f"openai/{books.model}: no rate for cached_input tokens, which its calls in the ledger have" in strict.stderr
    assert "nothing was imported" in strict.stderr
    shown = run_command(books.env, "prices", "show", "--model", books.model)
    assert shown.returncode == 1
    told = books.import_prices(effective_from=None)
    assert "warning: " in told
    assert "no rate for cached_input tokens" in told
    assert "0 rated now" in told
    assert "warning" not in books.import_prices(effective_from=None, cached_input=10**8)


async def test_a_date_in_the_past_is_told_with_the_number_of_events_that_it_concerns(
    books: OwnBooks, ledger_database: Postgres
) -> None:
    await record(ledger_database, [books.event()])
    past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    assert "keep the amounts that they have until `rerate`" in books.import_prices(effective_from=past)
