"""Chaos can be repeated by its seed, and leaves no kind of fault out."""

import random
from itertools import islice

from tests.acceptance.chaos.schedule import order_of

KINDS = tuple("abcdefgh")


def first(count: int, seed: int) -> list[str]:
    return list(islice(order_of(KINDS, random.Random(seed)), count))


def test_a_seed_is_an_order_and_another_seed_another() -> None:
    assert first(100, seed=1) == first(100, seed=1) != first(100, seed=2)


def test_each_kind_comes_once_before_any_comes_twice() -> None:
    assert sorted(first(len(KINDS), seed=3)) == sorted(KINDS)
    assert sorted(first(2 * len(KINDS), seed=3)) == sorted(KINDS * 2)
