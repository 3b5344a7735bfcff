import pytest

from gateway_router.retry_budget import RetryBudget


def retries(budget: RetryBudget, *, calls: int, per_s: float) -> int:
    """How many there are when every call asks for one."""
    taken = 0
    for number in range(calls):
        budget.count_call()
        if budget.has_one(now_s=number / per_s):
            budget.take()
            taken += 1
    return taken


def test_retries_are_a_tenth_of_the_calls_beyond_a_small_reserve() -> None:
    assert retries(RetryBudget(per_s=0), calls=10_000, per_s=100) == pytest.approx(1_000, abs=11)


def test_a_gateway_that_is_called_now_and_then_may_always_retry() -> None:
    assert retries(RetryBudget(), calls=200, per_s=0.1) == 200


def test_what_is_not_used_does_not_grow_beyond_the_reserve() -> None:
    budget = RetryBudget(reserve=3)
    for _ in range(1_000):
        budget.count_call()
    for _ in range(3):
        assert budget.has_one(now_s=1_000)
        budget.take()
    assert not budget.has_one(now_s=1_000)


def test_a_share_of_none_is_none_at_all() -> None:
    assert retries(RetryBudget(share=0, reserve=0, per_s=0), calls=100, per_s=1) == 0


def test_a_clock_that_goes_back_gives_nothing() -> None:
    budget = RetryBudget(reserve=1)
    assert budget.has_one(now_s=100)
    budget.take()
    assert not budget.has_one(now_s=50)
