"""The rate limit, against what it promises over any stretch of time."""

from hypothesis import given
from hypothesis import strategies as st

from gateway_edge.rate_limit import MINUTE_NS, take_request

RATES = st.integers(1, 100_000)
GAPS_NS = st.lists(st.integers(0, MINUTE_NS), max_size=60)


def test_a_fresh_key_may_use_a_minutes_worth_at_once_and_no_more() -> None:
    state, allowed = 0, 0
    for _ in range(700):
        decision = take_request(state, now_ns=10**18, requests_per_minute=600)
        state, allowed = decision.theoretical_arrival_ns, allowed + decision.allowed
    assert allowed == 600


def test_what_is_left_is_told() -> None:
    first = take_request(0, now_ns=MINUTE_NS, requests_per_minute=60)
    assert (first.allowed, first.remaining, first.reset_ns, first.retry_after_ns) == (True, 59, 10**9, 0)


@given(rate=RATES, gaps_ns=GAPS_NS)
def test_no_stretch_of_time_sees_more_than_the_burst_and_the_rate(rate: int, gaps_ns: list[int]) -> None:
    interval_ns = MINUTE_NS // rate
    state, now_ns, allowed_at = 0, 0, list[int]()
    for gap_ns in gaps_ns:
        now_ns += gap_ns
        decision = take_request(state, now_ns=now_ns, requests_per_minute=rate)
        state = decision.theoretical_arrival_ns
        allowed_at += [now_ns] * decision.allowed
    for index, start_ns in enumerate(allowed_at):
        assert len(allowed_at) - index <= rate + (allowed_at[-1] - start_ns) // interval_ns + 1


@given(rate=RATES, gaps_ns=GAPS_NS)
def test_the_same_request_succeeds_after_the_wait_that_was_told_and_not_before(rate: int, gaps_ns: list[int]) -> None:
    state, now_ns = 0, 0
    for gap_ns in gaps_ns:
        now_ns += gap_ns // 1_000
        decision = take_request(state, now_ns=now_ns, requests_per_minute=rate)
        if not decision.allowed:
            wait_ns = decision.retry_after_ns
            assert take_request(state, now_ns=now_ns + wait_ns, requests_per_minute=rate).allowed
            assert not take_request(state, now_ns=now_ns + wait_ns - 1, requests_per_minute=rate).allowed
        state = decision.theoretical_arrival_ns


@given(rate=RATES, spent=st.integers(1, 200))
def test_as_many_requests_follow_as_remain(rate: int, spent: int) -> None:
    state = 0
    for _ in range(spent):
        decision = take_request(state, now_ns=0, requests_per_minute=rate)
        state = decision.theoretical_arrival_ns
    assert decision.remaining == max(0, rate - spent)
