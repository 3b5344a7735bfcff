"""When a breaker opens, for how long, and what closes it; times are the test's."""

import random

import pytest

from gateway_router.breaker import FORGOTTEN_AFTER_S, Breaker, BreakerPolicy

POLICY = BreakerPolicy(min_failures=4, failure_share=0.5, window_s=30, open_s=10, max_open_s=35)


def breaker() -> Breaker:
    return Breaker(POLICY, now_s=0)


def call(one: Breaker, *, now_s: float, fails: bool) -> bool:
    """Whether it went through."""
    generation = one.begin(now_s)
    if generation is None:
        return False
    (one.fail if fails else one.succeed)(generation, now_s=now_s)
    return True


def opened() -> Breaker:
    one = breaker()
    for _ in range(POLICY.min_failures):
        assert call(one, now_s=0, fails=True)
    return one


def test_it_opens_at_enough_failures_and_refuses_until_its_time_has_passed() -> None:
    one = opened()
    assert (one.state(0), one.wait_s(0)) == ("open", 10)
    assert not call(one, now_s=9.9, fails=False)
    assert (one.state(10), one.wait_s(10)) == ("half_open", 0)


def test_few_failures_among_many_calls_open_nothing() -> None:
    one = breaker()
    for number in range(300):
        assert call(one, now_s=number / 100, fails=number % 3 == 0)
    assert one.state(3) == "closed"


def test_failures_of_long_ago_do_not_count() -> None:
    one = breaker()
    for now_s in (0, 1, 2, 40, 41, 42, 80, 81, 82):
        call(one, now_s=now_s, fails=True)
    assert one.state(82) == "closed"
    call(one, now_s=83, fails=True)
    assert one.state(83) == "open"


def test_half_open_lets_one_through_and_its_success_closes() -> None:
    one = opened()
    trial = one.begin(10)
    assert trial is not None
    assert one.begin(10) is None
    one.succeed(trial, now_s=12)
    assert one.state(12) == "closed"
    for _ in range(POLICY.min_failures - 1):
        assert call(one, now_s=12, fails=True)
    assert one.state(12) == "closed", "what was before is forgotten"


def test_a_failed_trial_opens_for_twice_as_long_up_to_a_bound() -> None:
    one, now_s, waits_s = opened(), 0.0, []
    for _ in range(4):
        waits_s.append(one.wait_s(now_s))
        now_s += one.wait_s(now_s)
        assert call(one, now_s=now_s, fails=True)
    assert waits_s == [10, 20, 35, 35]


def test_a_trial_that_says_nothing_makes_room_for_another_at_once() -> None:
    one = opened()
    trial = one.begin(10)
    assert trial is not None
    one.give_up(trial, now_s=11)
    assert one.begin(11) is not None


def test_a_trial_of_which_nothing_is_heard_makes_room_for_another_later() -> None:
    one = opened()
    assert one.begin(10) is not None
    assert one.begin(19) is None
    assert one.begin(20) is not None


def test_a_call_from_before_it_opened_decides_nothing_after() -> None:
    one = breaker()
    early = one.begin(0)
    assert early is not None
    for _ in range(POLICY.min_failures):
        call(one, now_s=0, fails=True)
    one.succeed(early, now_s=1)
    assert one.state(1) == "open"
    one.fail(early, now_s=10)
    assert one.state(10) == "half_open"
    one.give_up(early, now_s=5)
    assert one.wait_s(5) == 5


def test_there_is_nothing_to_remember_when_failures_are_past_or_nobody_asks() -> None:
    one = breaker()
    assert one.is_spent(0)
    call(one, now_s=0, fails=True)
    assert not one.is_spent(1)
    assert one.is_spent(31)
    assert not opened().is_spent(10)
    assert opened().is_spent(11 + FORGOTTEN_AFTER_S)


@pytest.mark.parametrize("seed", range(30))
def test_by_chance_it_refuses_only_while_open_and_never_for_ever(seed: int) -> None:
    chance, one, now_s = random.Random(seed), breaker(), 0.0
    refused_since_s: float | None = None
    in_flight: list[int] = []
    for _ in range(2_000):
        now_s += chance.expovariate(5)
        assert (one.wait_s(now_s) > 0) == (one.state(now_s) == "open")
        generation = one.begin(now_s)
        if generation is None:
            refused_since_s = now_s if refused_since_s is None else refused_since_s
            assert now_s - refused_since_s <= 2 * POLICY.max_open_s  # a trial's time, and what its failure costs
        else:
            refused_since_s = None
            in_flight.append(generation)
        while in_flight and chance.random() < 0.6:
            ended = in_flight.pop(chance.randrange(len(in_flight)))
            end = chance.choice([one.succeed, one.fail, one.fail, one.give_up])
            end(ended, now_s=now_s)
