"""The billing team's views: requests, days, and what a producer's account shows."""

from decimal import Decimal

from gateway_shared.usage_event import TokenCounts
from tests.integration.billing.running_billing import RunningBilling, attempts_of, publish_events, query
from tests.servers import Postgres, RabbitMq
from tests.unit.billing.usage_events import usage_event


async def test_a_request_of_two_attempts_is_one_row_with_the_final_ones_status(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    first = usage_event(
        producer=producer,
        request_id=producer,
        is_final=False,
        status="failed",
        finish_state="upstream_error",
        http_status=500,
        usage_source="none",
        tokens=TokenCounts(),
        started_at="2026-11-23T10:00:00Z",
        duration_us=1_000_000,
    )
    second = usage_event(
        producer=producer,
        request_id=producer,
        sequence=2,
        attempt=2,
        price_provider="anthropic",
        provider="anthropic",
        model_upstream="claude-sonnet-4-5",
        model_served="claude-sonnet-4-5-20250929",
        service_tier="standard",
        started_at="2026-11-23T10:00:02Z",
        duration_us=3_000_000,
    )
    await publish_events(rabbitmq_server, [second, first])
    await attempts_of(ledger_database, producer, count=2)
    (row,) = await query(
        ledger_database, "billing_reader", "SELECT * FROM billing.usage WHERE request_id = $1", producer
    )
    assert (row["attempts"], row["status"], row["http_status"]) == (2, "settled", 200)
    assert (row["provider"], row["model_served"]) == ("anthropic", "claude-sonnet-4-5-20250929")
    assert (row["input_tokens"], row["output_tokens"]) == (9, 20)
    assert row["duration_us"] == 5_000_000
    assert row["cost_nano_usd"] == 327_000  # 0 + 9 x 3 + 20 x 15
    assert row["cost_usd"] == Decimal("0.000327000")


async def test_a_day_adds_up_and_shows_what_was_estimated_and_what_is_unpriced(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    same = {"producer": producer, "key_id": producer}
    await publish_events(
        rabbitmq_server,
        [
            usage_event(**same, sequence=1, started_at="2026-11-23T23:59:59.999999Z"),
            usage_event(**same, sequence=2, started_at="2026-11-24T01:00:00+02:00"),
            usage_event(**same, sequence=3, started_at="2026-11-23T00:00:00Z", usage_source="estimated"),
            usage_event(**same, sequence=4, started_at="2026-11-23T05:00:00Z", service_tier="no-such-tier"),
            usage_event(**same, sequence=5, started_at="2026-11-24T00:00:00Z"),
        ],
    )
    await attempts_of(ledger_database, producer, count=5)
    first, second = await query(
        ledger_database, "billing_reader", "SELECT * FROM billing.usage_daily WHERE key_id = $1 ORDER BY day", producer
    )
    assert (str(first["day"]), first["requests"], first["attempts"]) == ("2026-11-23", 4, 4)
    assert (first["input_tokens"], first["output_tokens"]) == (36, 80)
    assert (first["cost_nano_usd"], first["unpriced_attempts"]) == (3 * 222_500, 1)
    assert first["share_estimated"] == Decimal("0.25")
    assert (str(second["day"]), second["cost_nano_usd"]) == ("2026-11-24", 222_500)


async def test_a_producers_progress_stops_at_the_first_gap(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    await publish_events(
        rabbitmq_server, [usage_event(producer=producer, sequence=number) for number in (1, 2, 3, 5, 7)]
    )
    await attempts_of(ledger_database, producer, count=5)
    (row,) = await query(
        ledger_database, "router", "SELECT * FROM billing.producer_progress WHERE producer = $1", producer
    )
    assert (row["contiguous_sequence"], row["highest_sequence"], row["events_held"]) == (3, 7, 5)


async def test_every_cost_can_be_worked_out_again_from_tokens_and_prices_in_sql(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    """RELIABILITY, I4, for text tokens: the ledger is enough, no program of ours is needed."""
    await publish_events(
        rabbitmq_server,
        [
            usage_event(producer=producer, sequence=number, tokens=TokenCounts(input_tokens=number, output_tokens=7))
            for number in range(1, 31)
        ],
    )
    await attempts_of(ledger_database, producer, count=30)
    rows = await query(
        ledger_database,
        "billing_reader",
        """
        SELECT a.cost_nano_usd, round((a.input_tokens * i.nano_usd_per_million_tokens
            + a.output_tokens * o.nano_usd_per_million_tokens)::numeric / 1000000)::bigint AS again
        FROM billing.attempts AS a
        JOIN billing.price AS i ON (i.version_id, i.provider, i.model, i.token_kind, i.service_tier)
            = (a.price_version, a.price_provider, a.model_served, 'input', 'standard')
        JOIN billing.price AS o ON (o.version_id, o.provider, o.model, o.token_kind, o.service_tier)
            = (a.price_version, a.price_provider, a.model_served, 'output', 'standard')
        WHERE a.producer = $1
        """,
        producer,
    )
    assert len(rows) == 30
    assert [row["cost_nano_usd"] for row in rows] == [row["again"] for row in rows]


async def test_a_run_of_an_agent_is_one_row_over_its_models_and_requests(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    same = {"producer": producer, "tenant_id": producer, "agent_run_id": producer, "agent_id": "researcher"}
    claude = {
        "price_provider": "anthropic",
        "provider": "anthropic",
        "model_upstream": "claude-sonnet-4-5",
        "model_served": "claude-sonnet-4-5",
        "service_tier": "standard",
    }
    await publish_events(
        rabbitmq_server,
        [
            usage_event(**same, sequence=1, started_at="2026-11-23T10:00:00Z"),
            usage_event(**same, sequence=2, started_at="2026-11-23T10:00:01Z", usage_source="estimated"),
            usage_event(**same, **claude, sequence=3, started_at="2026-11-23T10:00:02Z", duration_us=4_000_000),
            usage_event(**(same | {"agent_run_id": "another"}), sequence=4),
            usage_event(**(same | {"agent_run_id": None}), sequence=5),
        ],
    )
    await attempts_of(ledger_database, producer, count=5)
    run, another = await query(
        ledger_database,
        "billing_reader",
        "SELECT * FROM billing.usage_by_agent_run WHERE tenant_id = $1 ORDER BY attempts DESC",
        producer,
    )
    assert (run["agent_run_id"], run["agent_id"], run["agent_parent_run_id"]) == (producer, "researcher", None)
    assert (run["requests"], run["attempts"], run["models"], run["estimated_attempts"]) == (3, 3, 2, 1)
    assert (run["input_tokens"], run["output_tokens"]) == (27, 60)
    assert run["cost_nano_usd"] == 2 * 222_500 + 327_000
    assert (run["ended_at"] - run["started_at"]).total_seconds() == 6
    assert another["attempts"] == 1


async def test_what_clients_sent_again_by_themselves_is_told_apart_from_first_tries(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    same = {"producer": producer, "tenant_id": producer, "started_at": "2026-11-23T10:00:00Z"}
    await publish_events(
        rabbitmq_server,
        [
            usage_event(**same, sequence=1),
            usage_event(**same, sequence=2, client_retry_count=1),
            usage_event(**same, sequence=3, client_retry_count=2),
        ],
    )
    await attempts_of(ledger_database, producer, count=3)
    (row,) = await query(
        ledger_database, "billing_reader", "SELECT * FROM billing.client_retries WHERE tenant_id = $1", producer
    )
    assert (str(row["day"]), row["requests"], row["highest_retry_count"]) == ("2026-11-23", 2, 2)
    assert row["cost_nano_usd"] == 2 * 222_500


async def test_a_newer_rating_counts_in_every_view(
    billing: RunningBilling, rabbitmq_server: RabbitMq, ledger_database: Postgres, producer: str
) -> None:
    await publish_events(rabbitmq_server, [usage_event(producer=producer, tenant_id=producer, request_id=producer)])
    (row,) = await attempts_of(ledger_database, producer, count=1)
    for kind, revision, nano_usd in (("cost", 2, 5), ("cost", 3, 100), ("charge", 2, 130)):
        await query(
            ledger_database,
            "billing",
            "INSERT INTO billing.rating (event_id, kind, revision, tenant_id, nano_usd, reason)"
            " VALUES ($1, $2, $3, $4, $5, 'a test')",
            row["event_id"],
            kind,
            revision,
            producer,
            nano_usd,
        )
    for view in ("attempts", "usage", "usage_daily", "margin", "margin_monthly"):
        (row,) = await query(
            ledger_database, "billing_reader", f"SELECT * FROM billing.{view} WHERE tenant_id = $1", producer
        )
        assert (row["cost_nano_usd"], row["charge_nano_usd"]) == (100, 130), view
        assert row.get("margin_nano_usd", 30) == 30, view
