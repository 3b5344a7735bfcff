"""Usage events for journal tests."""

from dataclasses import replace

from gateway_shared.usage_event import TokenCounts, UsageEvent

_EVENT = UsageEvent(
    event_id="",
    request_id="req_1",
    attempt=1,
    is_final=True,
    producer="r/b",
    sequence=1,
    tenant_id="default",
    user_id="alice",
    key_id="key_1",
    plan_id="standard",
    channel="langchain",
    end_user=None,
    agent_id=None,
    agent_run_id=None,
    agent_parent_run_id=None,
    traceparent=None,
    client_retry_count=0,
    endpoint="chat.completions",
    stream=True,
    provider="openai",
    price_provider="openai",
    model_requested="gpt-4o-mini",
    model_upstream="gpt-4o-mini",
    model_served=None,
    service_tier=None,
    started_at="2026-01-01T00:00:00.000000Z",
    duration_us=0,
    time_to_first_token_us=None,
    http_status=0,
    status="unknown",
    finish_state="gateway_lost",
    usage_source="unknown",
    tokens=TokenCounts(),
)


def intent(event_id: str) -> UsageEvent:
    return replace(_EVENT, event_id=event_id)


def checkpoint(event_id: str, output_tokens: int) -> UsageEvent:
    tokens = TokenCounts(output_tokens=output_tokens)
    return replace(_EVENT, event_id=event_id, status="partial", usage_source="estimated", tokens=tokens)


def settled(event_id: str, producer: str, sequence: int) -> UsageEvent:
    return replace(
        _EVENT,
        event_id=event_id,
        producer=producer,
        sequence=sequence,
        status="settled",
        finish_state="complete",
        usage_source="provider",
    )
