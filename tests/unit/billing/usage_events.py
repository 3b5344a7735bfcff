"""Usage events for tests: a plain one, with whatever matters changed."""

import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from gateway_shared.ids import uuid7
from gateway_shared.usage_event import TokenCounts, UsageEvent


def event_id(*, unix_ms: int | None = None) -> str:
    now_ms = time.time_ns() // 1_000_000 if unix_ms is None else unix_ms
    return str(uuid7(unix_ms=now_ms, random_bytes=os.urandom(10)))


def usage_event(**changes: Any) -> UsageEvent:
    """9 tokens in, 20 out, of gpt-4o, on the provider's word."""
    event = UsageEvent(
        event_id=event_id(),
        request_id="req_" + os.urandom(16).hex(),
        attempt=1,
        is_final=True,
        producer="router-1/boot-1",
        sequence=1,
        tenant_id="default",
        user_id="ada",
        key_id="key-1",
        plan_id="standard",
        channel="standard",
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
        model_requested="gpt-4o",
        model_upstream="gpt-4o",
        model_served="gpt-4o",
        service_tier="default",
        started_at=datetime.now(UTC).isoformat(timespec="microseconds"),
        duration_us=1_500_000,
        time_to_first_token_us=200_000,
        http_status=200,
        status="settled",
        finish_state="complete",
        usage_source="provider",
        tokens=TokenCounts(input_tokens=9, output_tokens=20),
    )
    return replace(event, **changes)
