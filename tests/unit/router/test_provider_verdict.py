"""What an operator is told of a provider's test."""

from typing import get_args

import pytest

from gateway_router.provider_verdict import MESSAGES, Result, result_of
from gateway_shared.usage_event import FinishState, TokenCounts, UsageEvent


def event(finish_state: FinishState, http_status: int = 0) -> UsageEvent:
    return UsageEvent(
        event_id="e", request_id="r", attempt=1, is_final=True, producer="p", sequence=1, tenant_id="t", user_id="u",
        key_id="k", plan_id="p", channel="standard", end_user=None, agent_id=None, agent_run_id=None,
        agent_parent_run_id=None, traceparent=None, client_retry_count=0, endpoint="chat.completions", stream=False,
        provider="p", price_provider="p", model_requested="m", model_upstream="m", model_served=None,
        service_tier=None, started_at="2026-11-24T00:00:00Z", duration_us=1, time_to_first_token_us=None,
        http_status=http_status, status="failed", finish_state=finish_state, usage_source="none", tokens=TokenCounts(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("finish_state", "http_status", "result"),
    [
        ("complete", 200, "ok"),
        ("not_sent", 0, "not_reached"),
        ("timeout", 0, "timeout"),
        ("upstream_cut", 0, "connection_broken"),
        ("upstream_cut", 200, "connection_broken"),
        ("upstream_error", 0, "connection_broken"),
        ("upstream_error", 200, "not_understood"),
        ("upstream_error", 302, "redirect"),
        ("upstream_error", 400, "request_refused"),
        ("upstream_error", 401, "authentication_failed"),
        ("upstream_error", 402, "authentication_failed"),
        ("upstream_error", 403, "authentication_failed"),
        ("upstream_error", 404, "not_found"),
        ("upstream_error", 429, "rate_limited"),
        ("upstream_error", 500, "provider_failed"),
        ("upstream_error", 504, "timeout"),
        ("upstream_error", 529, "provider_failed"),
    ],
)
def test_each_end_has_its_class(finish_state: FinishState, http_status: int, result: Result) -> None:
    assert result_of(event(finish_state, http_status)) == result


def test_each_class_has_its_words() -> None:
    assert set(MESSAGES) == set(get_args(Result))
