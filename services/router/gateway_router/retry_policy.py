"""What is tried after an attempt that failed before anything of it was relayed, and after which wait. Pure.

Of the model that was asked for, the other registrations come first, at once; then the same again, after a wait with
full jitter (M. Brooker, Exponential Backoff and Jitter); then the fallback models. `Retry-After` is the least wait.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from gateway_router.routing import Route

Trouble = Literal["not_reached", "kept_connection", "cut", "timeout", "status", "rate_limit", "credential"]
"""No connection came about; a kept one was closed as it was used; it broke, or the stream did, before anything was
relayed; the provider was silent; 408 or 5xx; 429; 401, 402 or 403."""

FAILURES: frozenset[Trouble] = frozenset({"not_reached", "cut", "timeout", "status"})
"""What counts against the provider."""
_OF_THE_KEY: frozenset[Trouble] = frozenset({"rate_limit", "credential"})
_NEVER_AGAIN: frozenset[Trouble] = frozenset({"timeout", "credential"})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`max_attempts` counts the first one. A `Retry-After` beyond `max_retry_after_s` is not waited for."""

    max_attempts: int = 3
    first_backoff_s: float = 0.25
    max_backoff_s: float = 4.0
    max_retry_after_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Step:
    """The next attempt; `is_repeat`: what has failed is asked again, which the budget must allow."""

    route: Route
    wait_s: float = 0.0
    is_repeat: bool = False


def next_step(
    plan: Sequence[Route],
    tried: Sequence[Route],
    trouble: Trouble,
    policy: RetryPolicy,
    *,
    retry_after_s: float | None,
    remaining_s: float,
    may_repeat: bool,
    chance: Callable[[], float],
) -> Step | None:
    """None when there is nothing left to try. `remaining_s`: until the whole call must have ended."""
    if len(tried) >= policy.max_attempts or remaining_s <= 0:
        return None
    last = tried[-1]
    if trouble == "kept_connection":
        return Step(last)
    others = [route for route in plan if route not in tried and _is_other(route, last, trouble)]
    same_model = next((route for route in others if route.fallback == last.fallback), None)
    if same_model is not None:
        return Step(same_model)
    fallback = next(iter(others), None)
    repeats = sum(route is last for route in tried) - 1
    if may_repeat and last in plan and trouble not in _NEVER_AGAIN and (fallback is None or repeats < 1):
        wait_s = backoff_s(repeats + 1, policy, chance) + (retry_after_s or 0.0)
        if (retry_after_s or 0.0) <= policy.max_retry_after_s and wait_s < remaining_s:
            return Step(last, wait_s, is_repeat=True)
    return None if fallback is None else Step(fallback)


def backoff_s(retry: int, policy: RetryPolicy, chance: Callable[[], float]) -> float:
    """Before the first, second, ... retry: anything from 0 to a bound that doubles."""
    # the exponent is bounded too: 2.0 ** 2000 is an OverflowError
    return chance() * min(policy.max_backoff_s, policy.first_backoff_s * 2.0 ** min(retry - 1, 30))


def _is_other(route: Route, last: Route, trouble: Trouble) -> bool:
    """Whether that trouble says nothing about this route: another key does not help a provider that fails."""
    return trouble in _OF_THE_KEY or route.target != last.target
