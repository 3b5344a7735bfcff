"""The limits of keys: rate and places in flight."""

from dataclasses import replace

import pytest

from gateway_edge.grant import Grant
from gateway_edge.key_limits import KeyLimits, LimitReached, duration_text
from gateway_edge.key_states import KeyStates
from gateway_edge.rate_limit import MINUTE_NS

GRANT = Grant(
    tenant_id="default",
    user_id="alice",
    key_id="key_1",
    plan_id="standard",
    kind="gw",
    scopes=(),
    expires_at_s=None,
    requests_per_minute=None,
    concurrent_requests=None,
    plain_end_user_ids=False,
)


def test_places_in_flight_run_out_and_come_back() -> None:
    limits = KeyLimits(KeyStates(), requests_per_minute=600, concurrent_requests=2)
    limits.admit(GRANT, now_ns=0)
    limits.admit(GRANT, now_ns=0)
    with pytest.raises(LimitReached) as refusal:
        limits.admit(GRANT, now_ns=0)
    assert (refusal.value.limit, refusal.value.status, refusal.value.retry_after_s) == ("concurrency", 429, 1.0)
    limits.release(GRANT)
    limits.admit(GRANT, now_ns=0)


def test_the_rate_runs_out_with_headers_that_say_so() -> None:
    limits = KeyLimits(KeyStates(), requests_per_minute=2, concurrent_requests=50)
    assert limits.admit(GRANT, now_ns=0)["x-ratelimit-remaining-requests"] == "1"
    limits.admit(GRANT, now_ns=0)
    with pytest.raises(LimitReached) as refusal:
        limits.admit(GRANT, now_ns=0)
    assert refusal.value.limit == "rate"
    assert refusal.value.retry_after_s == 30.0
    assert refusal.value.headers == {
        "x-ratelimit-limit-requests": "2",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1m0s",
    }


def test_a_refused_request_takes_nothing() -> None:
    limits = KeyLimits(KeyStates(), requests_per_minute=1, concurrent_requests=5)
    limits.admit(GRANT, now_ns=0)
    for _ in range(10):
        with pytest.raises(LimitReached):
            limits.admit(GRANT, now_ns=0)
    limits.admit(GRANT, now_ns=MINUTE_NS)


def test_the_plan_overrides_the_defaults() -> None:
    limits = KeyLimits(KeyStates(), requests_per_minute=600, concurrent_requests=50)
    headers = limits.admit(replace(GRANT, requests_per_minute=7, concurrent_requests=1), now_ns=0)
    assert headers["x-ratelimit-limit-requests"] == "7"
    with pytest.raises(LimitReached, match="1 requests in flight"):
        limits.admit(replace(GRANT, concurrent_requests=1), now_ns=0)


def test_no_key_spends_what_another_has() -> None:
    limits = KeyLimits(KeyStates(), requests_per_minute=1, concurrent_requests=1)
    for other in (GRANT, replace(GRANT, key_id="key_2"), replace(GRANT, tenant_id="acme")):
        limits.admit(other, now_ns=0)


def test_idle_keys_are_forgotten_and_busy_ones_are_not() -> None:
    limits = KeyLimits(KeyStates(), requests_per_minute=600, concurrent_requests=50)
    for number in range(1_000):
        grant = replace(GRANT, key_id=f"key_{number}")
        limits.admit(grant, now_ns=0)
        if number:
            limits.release(grant)
    limits.admit(replace(GRANT, key_id="late"), now_ns=2 * MINUTE_NS)
    assert len(limits) == 2
    limits.release(replace(GRANT, key_id="key_0"))


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0ms"),
        (1, "1ms"),
        (12_000_000, "12ms"),
        (999_000_001, "1s"),
        (10**9, "1s"),
        (59_999_999_999, "1m0s"),
        (61_500_000_000, "1m2s"),
        (360 * 10**9, "6m0s"),
    ],
)
def test_durations_are_written_as_openai_does(nanoseconds: int, text: str) -> None:
    assert duration_text(nanoseconds) == text
