"""Prices: imported once, effective at once, and what had none is rated."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest

from gateway_billing.book_keeper import BookKeeper
from gateway_billing.ledger import Ledger
from gateway_billing.message import read_message
from gateway_shared import postgres
from tests.integration.billing.conftest import OVERRIDES
from tests.integration.billing.running_billing import (
    RunningBilling,
    attempts_of,
    environment,
    publish_events,
    query,
    rows_when,
    run_command,
)
from tests.servers import Certificates, Postgres, RabbitMq
from tests.unit.billing.usage_events import usage_event


def price_file(path: Path, book: str, models: list[str], rate: int = 10**9) -> Path:
    content: dict[str, Any] = {
        "format": "agent-gateway-prices/1",
        "book": book,
        "precedence": 200,
        "source": "a test",
        "source_version": str(rate),
        "models": [
            {
                "provider": "openai",
                "model": model,
                "source": "a test",
                "rates": {"standard": {"0": {"input": rate, "output": rate}}},
            }
            for model in models
        ],
    }
    path.write_bytes(orjson.dumps(content))
    return path


@pytest.fixture
def env(certificates: Certificates, ledger_database: Postgres) -> dict[str, str]:
    return environment(certificates, ledger_database, "billing")


async def versions(database: Postgres, book: str) -> int:
    rows = await query(
        database, "billing_reader", "SELECT count(*) AS n FROM billing.price_version WHERE book = $1", book
    )
    return int(rows[0]["n"])


async def test_the_same_content_again_is_no_new_version(
    env: dict[str, str], ledger_database: Postgres, tmp_path: Path
) -> None:
    before = await versions(ledger_database, "overrides")
    assert "already imported" in run_command(env, "import-prices", str(OVERRIDES)).stdout
    assert await versions(ledger_database, "overrides") == before
    book = f"book-{uuid4().hex}"
    old, new = (price_file(tmp_path / f"{rate}.json", book, ["x-1"], rate) for rate in (10**9, 2 * 10**9))
    for file in (old, new, new, old):  # going back to the old prices is a new version
        assert run_command(env, "import-prices", str(file)).returncode == 0
    assert await versions(ledger_database, book) == 3


async def test_a_wrong_file_imports_nothing_and_says_all_that_is_wrong(
    env: dict[str, str], ledger_database: Postgres, tmp_path: Path
) -> None:
    book = f"book-{uuid4().hex}"
    good = price_file(tmp_path / "good.json", book, ["x-2"])
    bad = price_file(tmp_path / "bad.json", book, ["x-3", "x-3"], rate=0)
    done = run_command(env, "import-prices", str(good), str(bad), str(tmp_path / "none.json"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 3
    assert 'needs "free": true' in done.stderr
    assert "No such file" in done.stderr
    assert await versions(ledger_database, book) == 0


async def test_an_event_without_a_price_is_rated_when_its_price_is_imported(
    env: dict[str, str],
    billing: RunningBilling,
    rabbitmq_server: RabbitMq,
    ledger_database: Postgres,
    producer: str,
    tmp_path: Path,
) -> None:
    model = f"model-{uuid4().hex}"
    await publish_events(
        rabbitmq_server, [usage_event(producer=producer, model_served=model, model_upstream=model, request_id=producer)]
    )
    (row,) = await attempts_of(ledger_database, producer, count=1)
    assert row["cost_nano_usd"] is None
    (usage,) = await query(
        ledger_database, "billing_reader", "SELECT * FROM billing.usage WHERE request_id = $1", producer
    )
    assert (usage["unpriced_attempts"], usage["cost_nano_usd"]) == (1, None)
    unpriced = await query(
        ledger_database, "billing_reader", "SELECT * FROM billing.unpriced WHERE model_served = $1", model
    )
    assert len(unpriced) == 1

    done = run_command(env, "import-prices", str(price_file(tmp_path / "p.json", f"book-{model}", [model])))
    assert "1 rated now" in done.stdout
    (row,) = await attempts_of(ledger_database, producer, count=1)
    assert row["cost_nano_usd"] == 29_000  # 29 tokens x 1 USD a million
    assert "after the event" in row["cost_reason"]


async def test_the_running_service_takes_new_prices_up_by_itself(
    env: dict[str, str],
    billing: RunningBilling,
    rabbitmq_server: RabbitMq,
    ledger_database: Postgres,
    producer: str,
    tmp_path: Path,
) -> None:
    model = f"model-{uuid4().hex}"
    run_command(env, "import-prices", str(price_file(tmp_path / "p.json", f"book-{model}", [model])))
    await publish_events(rabbitmq_server, [usage_event(producer=producer, model_served=model, model_upstream=model)])
    (row,) = await rows_when(
        ledger_database,
        "SELECT * FROM billing.attempts WHERE producer = $1",
        producer,
        enough=lambda rows: bool(rows) and rows[0]["cost_nano_usd"] is not None,
    )
    assert (row["cost_nano_usd"], row["price_version"] is not None) == (29_000, True)


async def test_an_event_is_rated_by_the_newest_prices_even_while_the_service_has_older_ones_in_hand(
    env: dict[str, str], certificates: Certificates, ledger_database: Postgres, producer: str, tmp_path: Path
) -> None:
    model = f"model-{uuid4().hex}"
    files = certificates.files("billing")
    async with await postgres.create_pool(ledger_database.dsn("billing"), files, application_name="test") as pool:
        keeper = BookKeeper(pool)
        await keeper.load_once()
        run_command(env, "import-prices", str(price_file(tmp_path / "p.json", f"book-{model}", [model])))
        event = usage_event(producer=producer, model_served=model, model_upstream=model)
        recorded = await Ledger(pool).record(read_message(event.to_json()), keeper)
        assert (recorded.inserted, recorded.unpriced, recorded.uncharged) == (1, 0, 0)
    (row,) = await attempts_of(ledger_database, producer, count=1)
    assert row["cost_nano_usd"] == 29_000


@pytest.mark.parametrize(
    ("provider", "model", "nano_usd"),
    [
        ("anthropic", "claude-sonnet-4-5-20250929", 327_000),  # 9 x 3 + 20 x 15
        ("google", "gemini-2.5-flash", 52_700),  # 9 x 0.30 + 20 x 2.50
        ("meta", "Llama-3.3-70B-Instruct", 25_520),  # 9 x 0.88 + 20 x 0.88
        ("meta", "meta-llama/llama-4-scout-17b-16e-instruct", 13_420),  # 9 x 0.18 + 20 x 0.59
    ],
)
async def test_each_providers_model_has_its_price(
    billing: RunningBilling,
    rabbitmq_server: RabbitMq,
    ledger_database: Postgres,
    producer: str,
    provider: str,
    model: str,
    nano_usd: int,
) -> None:
    event = usage_event(
        producer=producer,
        provider="simulator",
        price_provider=provider,
        model_served=model,
        model_upstream=model,
        service_tier=None,
    )
    await publish_events(rabbitmq_server, [event])
    (row,) = await attempts_of(ledger_database, producer, count=1)
    assert (row["cost_nano_usd"], row["provider"]) == (nano_usd, "simulator")
