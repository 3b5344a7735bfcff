"""Medians with their spread, and ratios paired by round: what a noisy machine can still tell. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of the rounds, and the least and greatest of them."""

    median: float
    least: float
    greatest: float


def spread(values: Sequence[float]) -> Spread:
    """Raises ValueError when there is no value."""
    if not values:
        raise ValueError("no round was measured")
    return Spread(statistics.median(values), min(values), max(values))


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Ours by theirs, round by round: what slows a round slows both."""
    return spread([mine / other for mine, other in zip(ours, theirs, strict=True) if other > 0])


def paired_difference(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    return spread([mine - other for mine, other in zip(ours, theirs, strict=True)])


def rotated(items: Sequence[Item], round_number: int) -> list[Item]:
    """Each round begins with another, so that no one always follows the same neighbour."""
    start = round_number % len(items) if items else 0
    return [*items[start:], *items[:start]]
