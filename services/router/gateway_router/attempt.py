"""One attempt as the ledger will know it: its identity, how it ended, and its usage event (RELIABILITY: I1-I3)."""

from asyncio import Future
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

import orjson

from gateway_router.routing import Route
from gateway_shared.call_head import CallHead
from gateway_shared.usage_event import SCHEMA_VERSION, FinishState, Status, TokenCounts, UsageSource


class Journal(Protocol):
    """What an attempt needs of `gateway_router.journal.Journal`."""

    producer: str

    def intent(self, record: "WrittenEvent") -> None: ...
    def checkpoint(self, record: "WrittenEvent") -> None: ...
    def settle(self, build: Callable[[str, int], "WrittenEvent"]) -> Future[None]: ...


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

    def facts(self) -> dict[str, object]:
        """The part of the usage event that is known from the start, and stays."""
        head, caller, provider = self.head, self.head.caller, self.route.provider
        return {
            "schema_version": SCHEMA_VERSION,
            "event_id": self.event_id,
            "request_id": head.request_id,
            "attempt": self.number,
            "is_final": self.is_final,
            "tenant_id": caller.tenant_id,
            "user_id": caller.user_id,
            "key_id": caller.key_id,
            "plan_id": caller.plan_id,
            "channel": caller.channel,
            "end_user": head.end_user,
            "end_user_name": head.end_user_name,
            "agent_id": head.agent_id,
            "agent_run_id": head.agent_run_id,
            "agent_parent_run_id": head.agent_parent_run_id,
            "traceparent": head.traceparent,
            "client_retry_count": head.retry_count,
            "endpoint": head.endpoint,
            "stream": head.stream,
            "provider": provider.ledger_name,
            "price_provider": provider.price_provider,
            "model_requested": head.model,
            "model_upstream": self.route.upstream_model,
            "started_at": self.started_at,
        }


@dataclass(slots=True)
class WrittenEvent:
    """A usage event (`gateway_shared.usage_event`), written down without being one: half the cost, twice a call."""

    event_id: str
    json: bytes

    def to_json(self) -> bytes:
        return self.json


class AttemptRecord:
    """Writes one attempt into the journal: an intent, checkpoints, and exactly one settle."""

    def __init__(self, attempt: Attempt, journal: Journal, clock_s: Callable[[], float]) -> None:
        self.attempt = attempt
        self.outcome = LOST
        self.settled = False
        self._ended_s: float | None = None
        self._journal = journal
        self._clock_s = clock_s
        self._facts = orjson.dumps(attempt.facts())[:-1]

    @property
    def duration_s(self) -> float:
        """Until now, or until its end."""
        ended_s = self._clock_s() if self._ended_s is None else self._ended_s
        return max(0.0, ended_s - self.attempt.started_s)

    def intent(self) -> None:
        """Before the provider is called. Raises JournalUnavailable: then it is not."""
        self._journal.intent(WrittenEvent(self.attempt.event_id, self._facts + _intent_tail(self._journal.producer)))

    def checkpoint(self, outcome: Outcome) -> None:
        # like the intent it carries no number of its own: the sequence counts terminal records
        self._journal.checkpoint(self._event(outcome, producer=self._journal.producer, sequence=1))

    def end(self) -> None:
        """The attempt's time stops, though it is not settled yet."""
        if self._ended_s is None:
            self._ended_s = self._clock_s()

    def settle(self, outcome: Outcome) -> Future[None]:
        """The terminal record; the future is done when it is durable. Raises JournalUnavailable."""
        assert not self.settled
        if not self.attempt.is_final:
            # each begins as the final one: another attempt of the call has begun meanwhile
            self._facts = orjson.dumps(self.attempt.facts())[:-1]
        self.end()

        def build(producer: str, sequence: int) -> WrittenEvent:
            return self._event(outcome, producer=producer, sequence=sequence)

        durable = self._journal.settle(build)
        self.settled, self.outcome = True, outcome
        return durable

    def _event(self, outcome: Outcome, *, producer: str, sequence: int) -> WrittenEvent:
        tail = _tail(outcome, producer=producer, sequence=sequence, duration_us=round(self.duration_s * 1e6))
        return WrittenEvent(self.attempt.event_id, self._facts + tail)


@cache
def _intent_tail(producer: str) -> bytes:
    return _tail(LOST, producer=producer, sequence=1, duration_us=0)


def _tail(outcome: Outcome, *, producer: str, sequence: int, duration_us: int) -> bytes:
    """What follows the facts: the rest of the JSON object."""
    rest = {
        "producer": producer,
        "sequence": sequence,
        "duration_us": duration_us,
        "model_served": outcome.model_served,
        "service_tier": outcome.service_tier,
        "time_to_first_token_us": outcome.time_to_first_token_us,
        "http_status": outcome.http_status,
        "status": outcome.status,
        "finish_state": outcome.finish_state,
        "usage_source": outcome.usage_source,
        "tokens": outcome.tokens,
    }
    return b"," + orjson.dumps(rest)[1:]
