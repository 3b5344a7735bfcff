"""One attempt as the ledger will know it: its identity, how it ended, and its usage event (RELIABILITY: I1-I3)."""

from asyncio import Future
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from gateway_router.routing import Route
from gateway_shared.call_head import CallHead
from gateway_shared.usage_event import FinishState, Status, TokenCounts, UsageEvent, UsageSource


class Journal(Protocol):
    """What an attempt needs of `gateway_router.journal.Journal`."""

    producer: str

    def intent(self, event: UsageEvent) -> None: ...
    def checkpoint(self, event: UsageEvent) -> None: ...
    def settle(self, build: Callable[[str, int], UsageEvent]) -> Future[None]: ...


@dataclass(slots=True)
class Outcome:
    """How an attempt stands or ended; `http_status` is the provider's, 0 when none came."""

    status: Status
    finish_state: FinishState
    usage_source: UsageSource
    tokens: TokenCounts = field(default_factory=TokenCounts)
    http_status: int = 0
    model_served: str | None = None
    service_tier: str | None = None
    time_to_first_token_us: int | None = None


LOST = Outcome("unknown", "gateway_lost", "unknown")
"""What stands when nothing more is heard of an attempt."""


@dataclass(slots=True)
class Attempt:
    """Who asked whom for what. `started_at` is RFC 3339 in UTC, `started_s` the monotonic clock then."""

    event_id: str
    head: CallHead
    route: Route
    started_at: str
    started_s: float
    number: int = 1
    is_final: bool = True

    def event(self, outcome: Outcome, *, producer: str, sequence: int, now_s: float) -> UsageEvent:
        head, caller, provider = self.head, self.head.caller, self.route.provider
        return UsageEvent(
            event_id=self.event_id,
            request_id=head.request_id,
            attempt=self.number,
            is_final=self.is_final,
            producer=producer,
            sequence=sequence,
            tenant_id=caller.tenant_id,
            user_id=caller.user_id,
            key_id=caller.key_id,
            plan_id=caller.plan_id,
            channel=caller.channel,
            end_user=head.end_user,
            end_user_name=head.end_user_name,
            agent_id=head.agent_id,
            agent_run_id=head.agent_run_id,
            agent_parent_run_id=head.agent_parent_run_id,
            traceparent=head.traceparent,
            client_retry_count=head.retry_count,
            endpoint=head.endpoint,
            stream=head.stream,
            provider=provider.ledger_name,
            price_provider=provider.price_provider,
            model_requested=head.model,
            model_upstream=self.route.upstream_model,
            model_served=outcome.model_served,
            service_tier=outcome.service_tier,
            started_at=self.started_at,
            duration_us=max(0, round((now_s - self.started_s) * 1e6)),
            time_to_first_token_us=outcome.time_to_first_token_us,
            http_status=outcome.http_status,
            status=outcome.status,
            finish_state=outcome.finish_state,
            usage_source=outcome.usage_source,
            tokens=outcome.tokens,
        )


class AttemptRecord:
    """Writes one attempt into the journal: an intent, checkpoints, and exactly one settle."""

    def __init__(self, attempt: Attempt, journal: Journal, clock_s: Callable[[], float]) -> None:
        self.attempt = attempt
        self.outcome = LOST
        self.settled = False
        self._journal = journal
        self._clock_s = clock_s

    def intent(self) -> None:
        """Before the provider is called. Raises JournalUnavailable: then it is not."""
        self._journal.intent(self._event(LOST))

    def checkpoint(self, outcome: Outcome) -> None:
        self._journal.checkpoint(self._event(outcome))

    def settle(self, outcome: Outcome) -> Future[None]:
        """The terminal record; the future is done when it is durable. Raises JournalUnavailable."""
        assert not self.settled
        now_s = self._clock_s()

        def build(producer: str, sequence: int) -> UsageEvent:
            return self.attempt.event(outcome, producer=producer, sequence=sequence, now_s=now_s)

        durable = self._journal.settle(build)
        self.settled, self.outcome = True, outcome
        return durable

    def _event(self, outcome: Outcome) -> UsageEvent:
        # intents and checkpoints carry no number of their own: the sequence counts terminal records
        return self.attempt.event(outcome, producer=self._journal.producer, sequence=1, now_s=self._clock_s())
