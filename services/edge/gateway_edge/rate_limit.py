"""A request rate by the generic cell rate algorithm (ITU-T I.371): one number of state per key.

Pure; times are integer nanoseconds on one monotonic clock, so that a limit is exact. A key may use a
minute's worth of requests at once, after which they come back evenly.
"""

from dataclasses import dataclass

MINUTE_NS = 60_000_000_000


@dataclass(slots=True)
class RateDecision:
    """`theoretical_arrival_ns` is the state to keep. `reset_ns`: until the whole limit is free again.

    `retry_after_ns` is 0 when allowed, else the time after which the same request would be.
    """

    allowed: bool
    theoretical_arrival_ns: int
    remaining: int
    reset_ns: int
    retry_after_ns: int


def take_request(theoretical_arrival_ns: int, *, now_ns: int, requests_per_minute: int) -> RateDecision:
    """Decides on one request at `now_ns`. A new key's state is 0 or any time in the past."""
    interval_ns = MINUTE_NS // requests_per_minute
    burst_ns = interval_ns * requests_per_minute
    start_ns = max(theoretical_arrival_ns, now_ns)
    next_ns = start_ns + interval_ns
    over_ns = next_ns - now_ns - burst_ns
    if over_ns > 0:
        return RateDecision(False, theoretical_arrival_ns, 0, start_ns - now_ns, over_ns)
    return RateDecision(True, next_ns, -over_ns // interval_ns, next_ns - now_ns, 0)
