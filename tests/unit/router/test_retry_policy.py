"""What is tried next, given what was planned, what was tried and how it failed."""

import itertools
import random
from collections.abc import Sequence
from typing import get_args

import pytest

from gateway_router.retry_policy import RetryPolicy, Step, Trouble, backoff_s, next_step
from gateway_router.routing import Route
from tests.unit.router.registered import registered

POLICY = RetryPolicy(max_attempts=4, first_backoff_s=1, max_backoff_s=8, max_retry_after_s=10)
A0, A1 = (Route(way, "m", one) for one in [registered("a", "openai", keys=2)] for way in one.ways)
[B] = (Route(way, "m", one) for one in [registered("b", "openai")] for way in one.ways)
[C] = (Route(way, "n", one, 1) for one in [registered("c", "openai")] for way in one.ways)


def after(
    trouble: Trouble,
    plan: Sequence[Route],
    tried: Sequence[Route],
    *,
    retry_after_s: float | None = None,
    remaining_s: float = 600,
    may_repeat: bool = True,
    chance: float = 0.5,
    policy: RetryPolicy = POLICY,
) -> Step | None:
    return next_step(
        plan,
        tried,
        trouble,
        policy,
        retry_after_s=retry_after_s,
        remaining_s=remaining_s,
        may_repeat=may_repeat,
        chance=lambda: chance,
    )


@pytest.mark.parametrize(
    ("trouble", "plan", "tried", "expected"),
    [
        ("status", [A0], [A0], (A0, 0.5)),
        ("status", [A0], [A0, A0], (A0, 1.0)),
        ("cut", [A0], [A0, A0, A0], (A0, 2.0)),
        ("not_reached", [A0, A1], [A0], (A0, 0.5)),
        ("status", [A0, A1, B], [A0], (B, 0)),
        ("status", [A0, B, C], [A0, B], (B, 0.5)),
        ("status", [A0, C], [A0], (A0, 0.5)),
        ("status", [A0, C], [A0, A0], (C, 0)),
        ("credential", [A0, A1, B], [A0], (A1, 0)),
        ("credential", [A0, A1, C], [A0, A1], (C, 0)),
        ("credential", [A0], [A0], None),
        ("rate_limit", [A0, A1], [A0], (A1, 0)),
        ("rate_limit", [A0], [A0], (A0, 0.5)),
        ("timeout", [A0, A1], [A0], None),
        ("timeout", [A0, A1, B], [A0], (B, 0)),
        ("timeout", [A0, C], [A0], (C, 0)),
        ("kept_connection", [A0, B], [A0], (A0, 0)),
        ("status", [C, A0], [C], (C, 0.5)),
        ("status", [C, A0], [C, C], (A0, 0)),
        ("status", [A0], [A0, A0, A0, A0], None),
        ("status", [B], [A0], (B, 0)),
        ("status", [], [A0], None),
    ],
)
def test_what_is_tried_next(
    trouble: Trouble, plan: list[Route], tried: list[Route], expected: tuple[Route, float] | None
) -> None:
    step = after(trouble, plan, tried)
    assert (step and (step.route, step.wait_s)) == expected


def test_retry_after_is_the_least_wait() -> None:
    step = after("rate_limit", [A0], [A0], retry_after_s=3)
    assert step is not None
    assert step.wait_s == 3.5
    at_once = after("status", [A0], [A0], retry_after_s=0, chance=0)
    assert at_once is not None
    assert at_once.wait_s == 0


def test_a_long_retry_after_is_not_waited_for_but_others_are_asked() -> None:
    assert after("rate_limit", [A0], [A0], retry_after_s=10.1) is None
    step = after("rate_limit", [A0, C], [A0], retry_after_s=3600)
    assert step is not None
    assert (step.route, step.wait_s) == (C, 0)


def test_without_budget_only_others_are_asked() -> None:
    assert after("status", [A0], [A0], may_repeat=False) is None
    step = after("status", [A0, B], [A0], may_repeat=False)
    assert step == Step(B)


def test_nothing_is_begun_that_the_call_has_no_time_for() -> None:
    assert after("rate_limit", [A0], [A0], retry_after_s=5, remaining_s=5) is None
    assert after("status", [A0, B], [A0], remaining_s=0) is None


def test_full_jitter_spreads_from_nothing_to_a_bound_that_doubles() -> None:
    assert [backoff_s(retry, POLICY, lambda: 1.0) for retry in (1, 2, 3, 4, 5)] == [1, 2, 4, 8, 8]
    assert backoff_s(2_000, POLICY, lambda: 1.0) == 8
    assert backoff_s(3, POLICY, lambda: 0.0) == 0


@pytest.mark.parametrize("seed", range(40))
def test_whatever_fails_there_is_an_end_and_no_more_than_was_allowed(seed: int) -> None:
    chance = random.Random(seed)
    plan = chance.sample([A0, A1, B, C], chance.randint(1, 4))
    policy = RetryPolicy(max_attempts=chance.randint(1, 6))
    tried = [plan[0]]
    for _ in itertools.count():
        trouble = chance.choice(get_args(Trouble))
        retry_after_s = chance.choice([None, 0.0, 5.0, 60.0])
        step = after(trouble, plan, tried, retry_after_s=retry_after_s, policy=policy, chance=chance.random())
        if step is None:
            break
        assert step.route in plan
        assert step.is_repeat == (step.route is tried[-1] and trouble != "kept_connection")
        if step.is_repeat and retry_after_s:
            assert step.wait_s >= retry_after_s
        tried.append(step.route)
    assert len(tried) <= policy.max_attempts
