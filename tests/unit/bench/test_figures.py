"""Medians, their spread, and ratios paired by round."""

import pytest

from bench.figures import Spread, paired_difference, paired_ratio, rotated, spread


def test_a_spread_is_the_median_with_the_least_and_the_greatest() -> None:
    assert spread([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)


def test_no_round_has_no_figure() -> None:
    with pytest.raises(ValueError, match="no round"):
        spread([])


def test_a_slow_round_that_slows_both_does_not_show_in_their_ratio() -> None:
    assert paired_ratio([1.0, 5.0, 2.0], [2.0, 10.0, 4.0]) == Spread(0.5, 0.5, 0.5)


def test_a_difference_is_paired_too() -> None:
    assert paired_difference([3.0, 13.0], [1.0, 10.0]) == Spread(2.5, 2.0, 3.0)


def test_rounds_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        paired_ratio([1.0], [1.0, 2.0])


def test_every_target_begins_a_round_in_its_turn() -> None:
    assert [rotated(["a", "b", "c"], number) for number in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]
    assert rotated([], 3) == []
