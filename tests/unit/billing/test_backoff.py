"""Waiting between attempts."""

from gateway_billing.backoff import Backoff


def latest(low: float, high: float) -> float:
    return high


def test_the_wait_doubles_up_to_its_limit_and_starts_anew_after_a_success() -> None:
    backoff = Backoff(latest, first_s=0.2, longest_s=1.0)
    assert [backoff.next_s() for _ in range(5)] == [0.2, 0.4, 0.8, 1.0, 1.0]
    backoff.succeed()
    assert backoff.next_s() == 0.2


def test_the_wait_is_at_least_half_its_bound() -> None:
    assert Backoff(lambda low, high: low, first_s=2.0).next_s() == 1.0
