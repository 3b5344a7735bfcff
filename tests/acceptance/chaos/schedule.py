"""In which order faults come: by chance, but the same for the same seed, and each of them at least once. Pure."""

import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

Kind = TypeVar("Kind")


def order_of(kinds: Sequence[Kind], chance: random.Random) -> Iterator[Kind]:
    """Without end: rounds of all kinds, each round in an order of its own."""
    while True:
        yield from chance.sample(kinds, len(kinds))
