"""Waiting longer after each failure, with jitter, so that many clients do not return together. Pure."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """`uniform` draws between two numbers (`random.uniform`)."""

    uniform: Callable[[float, float], float]
    first_s: float = 0.2
    longest_s: float = 5.0
    _failures: int = 0

    def next_s(self) -> float:
        """Seconds to wait now: between half and all of a bound that doubles from `first_s` to `longest_s`."""
        bound_s = min(self.longest_s, self.first_s * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return self.uniform(bound_s / 2, bound_s)

    def succeed(self) -> None:
        self._failures = 0
