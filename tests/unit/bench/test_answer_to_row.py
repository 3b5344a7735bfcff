"""What counts of a run, and when its goal is reached."""

import random

import pytest

from bench.answer_to_row import freshness
from tests.acceptance.traffic import Outcome, ordinary

WARM_S = 100.0


def outcome(marker: str, ended_s: float, *, complete: bool = True) -> Outcome:
    return Outcome(marker, ordinary(random.Random(1)), 200 if complete else 503, complete, ended_s=ended_s)


def test_delays_are_from_an_answers_end_to_its_row_and_the_warm_up_does_not_count() -> None:
    outcomes = [outcome("cold", 99.0), *(outcome(f"r{number}", 101.0 + number) for number in range(100))]
    rows_s = {"cold": 109.0} | {f"r{number}": 101.0 + number + (number + 1) / 100 for number in range(100)}
    told = freshness(outcomes, rows_s, since_s=WARM_S)
    assert (told.asked, told.answered, len(told.delays_s)) == (100, 100, 100)
    assert told.seconds == 100
    assert [told.at(0.5), told.at(0.99)] == pytest.approx([0.51, 1.0])
    assert told.reaches_goal


@pytest.mark.parametrize(
    ("outcomes", "rows_s"),
    [
        ([], {}),
        ([outcome("slow", 101.0)], {"slow": 103.1}),
        ([outcome("lost", 101.0)], {}),
        ([outcome("refused", 101.0, complete=False), outcome("fine", 101.0)], {"fine": 101.1}),
    ],
)
def test_the_goal_is_missed_without_an_answer_without_a_row_and_by_a_late_one(
    outcomes: list[Outcome], rows_s: dict[str, float]
) -> None:
    told = freshness(outcomes, rows_s, since_s=WARM_S)
    assert not told.reaches_goal
    assert f"{len(outcomes)} requests" in str(told)
