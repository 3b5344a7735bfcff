"""How many retries there may be: a share of the calls, so that a provider in trouble is not asked ever more. Pure.

A bucket that each call fills by `share` and each retry empties by 1. It also fills with time, for the gateway that is
called once a minute. (gRFC A6, retry throttling; Finagle's RetryBudget.)
"""


class RetryBudget:
    """`reserve` retries may come at once, `per_s` every second besides; times are monotonic seconds."""

    def __init__(self, *, share: float = 0.1, reserve: float = 10.0, per_s: float = 0.1, now_s: float = 0.0) -> None:
        self._share = share
        self._reserve = reserve
        self._per_s = per_s
        self._filled_s = now_s
        self._left = reserve

    def count_call(self) -> None:
        self._left = min(self._reserve, self._left + self._share)

    def has_one(self, *, now_s: float) -> bool:
        passed_s = max(0.0, now_s - self._filled_s)
        self._filled_s = now_s
        self._left = min(self._reserve, self._left + passed_s * self._per_s)
        return self._left >= 1

    def take(self) -> None:
        """One retry; ask `has_one` first."""
        self._left -= 1
