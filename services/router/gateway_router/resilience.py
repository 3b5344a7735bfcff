"""What one worker's calls share to cope with providers in trouble: their health, the retry policy and its budget."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from gateway_router import metrics
from gateway_router.attempt import Outcome
from gateway_router.breaker import BreakerPolicy
from gateway_router.failure import Failure, trouble_of_end
from gateway_router.plan import make_plan
from gateway_router.provider_health import ProviderHealth
from gateway_router.provider_traffic import ProviderTraffic
from gateway_router.retry_budget import RetryBudget
from gateway_router.retry_policy import RetryPolicy, Step, Trouble, next_step
from gateway_router.routing import Candidates, Route, shown
from gateway_router.settings import RouterSettings
from gateway_shared import canonical_log
from gateway_shared.labelled import labelled
from gateway_shared.multiprocess_metrics import compute


@dataclass(slots=True)
class Resilience:
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    health: ProviderHealth = field(default_factory=ProviderHealth)
    budget: RetryBudget = field(default_factory=RetryBudget)
    traffic: ProviderTraffic = field(default_factory=ProviderTraffic)
    clock_s: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random

    @classmethod
    def of(cls, settings: RouterSettings) -> Self:
        return cls(
            RetryPolicy(max_attempts=settings.max_attempts, max_retry_after_s=settings.max_retry_after_s),
            ProviderHealth(
                BreakerPolicy(
                    min_failures=settings.breaker_failures,
                    failure_share=settings.breaker_share,
                    open_s=settings.breaker_open_s,
                )
            ),
            RetryBudget(share=settings.retry_budget),
            ProviderTraffic(sharers=settings.workers),
        )

    def plan(self, candidates: Candidates) -> tuple[Route, ...]:
        """For a call that begins now. Raises CircuitOpen and ServiceUnavailable."""
        self.budget.count_call()
        return make_plan(candidates, self.health, self.traffic, now_s=self.clock_s(), chance=self.chance)

    def begin(self, route: Route) -> int | None:
        """A permit to ask, None when that is not possible any more; it ends in `failed`, `ended` or `given_up`."""
        now_s = self.clock_s()
        if self.traffic.wait_s(route.registration, now_s=now_s) > 0:
            return None
        permit = self.health.begin(route, now_s=now_s)
        if permit is not None:
            self.traffic.begin(route.registration, now_s=now_s)
        return permit

    def next_step(
        self, plan: Sequence[Route], tried: Sequence[Route], failure: Failure, *, remaining_s: float
    ) -> Step | None:
        """After a failure that was told (`failed`)."""
        now_s = self.clock_s()
        admitted = [
            route
            for route in plan
            if self.health.wait_s(route, now_s=now_s) <= 0 and self.traffic.wait_s(route.registration, now_s=now_s) <= 0
        ]
        has_budget = self.budget.has_one(now_s=now_s)
        step = next_step(
            admitted,
            tried,
            failure.trouble,
            self.policy,
            retry_after_s=failure.error.retry_after_s,
            remaining_s=remaining_s,
            may_repeat=has_budget,
            chance=self.chance,
        )
        if step is None:
            if not has_budget and len(tried) < self.policy.max_attempts:
                metrics.RETRY_BUDGET_EXHAUSTED.inc()
            return None
        if step.is_repeat:
            self.budget.take()
        provider = tried[-1].provider.name
        if step.route.target == tried[-1].target:
            labelled(metrics.RETRIES, provider, failure.trouble).inc()
        else:
            labelled(metrics.FALLBACKS, provider, failure.trouble).inc()
        return step

    def answered(self, route: Route, permit: int) -> None:
        """The provider has begun to answer with something that was relayed."""
        self.health.succeed(route, permit, now_s=self.clock_s())

    def failed(self, route: Route, permit: int, failure: Failure) -> None:
        """Nothing was relayed."""
        self.traffic.end(route.registration)
        self._trouble(route, permit, failure.trouble, failure.error.retry_after_s)

    def ended(self, route: Route, permit: int, outcome: Outcome, *, was_relayed: bool) -> None:
        """Answered, refused for a fault of the client's, left by the client, or cut on the way."""
        self.traffic.end(route.registration)
        now_s = self.clock_s()
        if outcome.finish_state == "complete":
            if not was_relayed:
                self.health.succeed(route, permit, now_s=now_s)
            return
        trouble = trouble_of_end(outcome)
        if trouble is None:
            self.health.give_up(route, permit, now_s=now_s)
        else:
            self._trouble(route, permit, trouble, None)

    def given_up(self, route: Route, permit: int) -> None:
        """Nothing was asked."""
        self.traffic.end(route.registration)
        self.health.give_up(route, permit, now_s=self.clock_s())

    def _trouble(self, route: Route, permit: int, trouble: Trouble, retry_after_s: float | None) -> None:
        has_opened = self.health.fail(route, permit, trouble, now_s=self.clock_s(), retry_after_s=retry_after_s)
        provider = route.provider.name
        if trouble in ("rate_limit", "credential"):
            labelled(metrics.COOL_DOWNS, provider, trouble).inc()
        if has_opened:
            canonical_log.warning("breaker opened", provider=provider, model=shown(route.upstream_model))
            labelled(metrics.BREAKER_OPENED, provider).inc()
            # computed: it closes without anybody's doing
            compute(labelled(metrics.BREAKERS_OPEN, provider), partial(self._open_models, provider))

    def _open_models(self, provider: str) -> float:
        return float(self.health.open_models(provider, now_s=self.clock_s()))
