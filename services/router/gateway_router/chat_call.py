"""One call of chat completions: attempts, one after another, until one answers or the policy ends it.

An attempt begins with its intent, as the final one. Where another takes its place, that one's intent is written first,
and then that this one was not final: whenever the process is killed, exactly one is (`journal.recovery`).
"""

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from gateway_router import outcomes
from gateway_router.attempt import Attempt, AttemptRecord, Journal
from gateway_router.call_report import report
from gateway_router.client import Client
from gateway_router.deadline import Deadline
from gateway_router.dialects.dialect import ChatCall, Translate
from gateway_router.exchange import Exchange
from gateway_router.failure import Failure
from gateway_router.kinds import Wire
from gateway_router.limits import ABANDONED_DRAIN_S, CallLimits
from gateway_router.resilience import Resilience
from gateway_router.routing import Route, shown
from gateway_router.transports.transport import Transport
from gateway_shared.call_head import CallHead
from gateway_shared.errors import CircuitOpen, GatewayError, JournalUnavailable
from gateway_shared.ids import dashed, uuid7_hex


@dataclass(frozen=True, slots=True)
class Speech:
    """How providers of one wire are spoken to."""

    translate: Translate
    transport: Transport


class CallParts(Protocol):
    """What all calls of a worker share: `gateway_router.calls.ChatCalls`."""

    speeches: Mapping[Wire, Speech]
    journal: Journal
    limits: CallLimits
    resilience: Resilience


class Call:
    """`plan` is what may be tried, in order; `rest` is the client's body, let go once an answer is relayed."""

    def __init__(self, head: CallHead, rest: bytes, plan: tuple[Route, ...], client: Client, parts: CallParts) -> None:
        self.head = head
        self.client = client
        self._rest = rest
        self._plan = plan
        self._parts = parts
        self._tried: list[Route] = []
        self._failed: tuple[Exchange, Failure] | None = None
        self._deadline = Deadline(call_timeout_s=parts.limits.at(plan[0].registration).call_s)
        self._was_relayed = False
        self._is_between = False
        self._permit = 0

    async def run(self) -> None:
        """Answers the client. Raises GatewayError before a provider was asked, and what is a fault of ours."""
        route: Route | None = self._plan[0]
        try:
            while route is not None and (exchange := self._next_exchange(route)) is not None:
                failure = await self._attempt(exchange)
                if failure is None:
                    return
                self._failed = exchange, failure
                route = await self._route_after(exchange, failure)
            if self._failed is not None:
                exchange, failure = self._failed
                await exchange.fail(failure)
        finally:
            if self._failed is not None:
                self._settle(*self._failed)

    def client_left(self) -> None:
        """The client is gone but the provider's figure is wanted: the attempt goes on for a while, none follows."""
        self.client.gone = True
        self._deadline.end_within(0 if self._is_between else ABANDONED_DRAIN_S, "drain")

    def stop(self) -> None:
        """The process ends: the client gets an error event, the ledger a partial row."""
        self._deadline.end_within(0, "shutdown")

    def _next_exchange(self, route: Route) -> Exchange | None:
        """The attempt at that route, with its intent written; None where it cannot be made and another one was.

        Raises GatewayError where none was.
        """
        permit = self._parts.resilience.begin(route)
        if permit is None and self._failed is None:
            raise CircuitOpen(retry_after_s=1)  # another call was faster: it tries whether the provider works again
        if permit is None:
            return None
        self._permit, is_begun = permit, False
        try:
            exchange = self._exchange(route)
            exchange.record.intent()
            is_begun = True
        except GatewayError:
            if self._failed is None:
                raise
            return None
        finally:
            if not is_begun:
                self._parts.resilience.given_up(route, permit)
        self._tried.append(route)
        self.client.headers.update(self._headers(route))
        if self._failed is not None:
            self._supersede(*self._failed, by=exchange)
        return exchange

    def _supersede(self, earlier: Exchange, failure: Failure, *, by: Exchange) -> None:
        earlier.record.attempt.is_final = False
        try:
            self._settle(earlier, failure)
        except JournalUnavailable:
            by.record.settle(outcomes.not_sent("gateway_lost"))
            raise
        self._failed = None

    def _settle(self, exchange: Exchange, failure: Failure) -> None:
        """Of an attempt that failed: unless that is done, its terminal record; and what is told of it."""
        record = exchange.record
        if not record.settled:
            record.settle(failure.outcome)
        report(exchange)

    async def _attempt(self, exchange: Exchange) -> Failure | None:
        resilience, route, permit = self._parts.resilience, exchange.record.attempt.route, self._permit
        failure: Failure | None = None
        try:
            failure = await exchange.run()
        finally:
            if failure is None:
                record = exchange.record
                resilience.ended(route, permit, record.outcome, was_relayed=self._was_relayed)
                if record.settled:
                    report(exchange)
            else:
                resilience.failed(route, permit, failure)
        return failure

    async def _route_after(self, exchange: Exchange, failure: Failure) -> Route | None:
        """What to ask next, after the wait for it; None for nothing, or when the client left meanwhile."""
        resilience = self._parts.resilience
        remaining_s = 0.0 if self.client.gone else self._deadline.remaining_s
        step = resilience.next_step(self._plan, self._tried, failure, remaining_s=remaining_s)
        if step is None or step.wait_s <= 0:
            return None if step is None else step.route
        exchange.record.checkpoint(failure.outcome)
        self._is_between = True
        self._deadline.wait_at_most(None, "silence")
        try:
            async with self._deadline:
                await asyncio.sleep(step.wait_s)
        except TimeoutError:
            return None
        finally:
            self._is_between = False
        return None if self.client.gone else step.route

    def _exchange(self, route: Route) -> Exchange:
        head, parts = self.head, self._parts
        speech = parts.speeches[route.provider.wire]
        now_s = time.time()
        event_id = uuid7_hex(unix_ms=int(now_s * 1000), random_bytes=os.urandom(10))
        chat = ChatCall(
            upstream_model=route.upstream_model,
            stream=head.stream,
            stream_options=head.stream_options,
            relay_usage=head.relay_usage,
            rest=self._rest,
            completion_id=f"chatcmpl-{event_id}",
            created_s=int(now_s),
        )
        attempt = Attempt(
            event_id=dashed(event_id),
            head=head,
            route=route,
            started_at=datetime.fromtimestamp(now_s, UTC).isoformat(timespec="microseconds"),
            started_s=time.monotonic(),
            number=len(self._tried) + 1,
        )
        translation = speech.translate(chat, route.provider)
        translation.request.connect_timeout_s = route.registration.connect_timeout_s
        return Exchange(
            AttemptRecord(attempt, parts.journal, time.monotonic),
            translation,
            speech.transport,
            self.client,
            limits=parts.limits.at(route.registration),
            deadline=self._deadline,
            clock_s=time.monotonic,
            relaying=self._relaying,
        )

    def _relaying(self) -> None:
        self._was_relayed = True
        self._rest = b""
        self._parts.resilience.answered(self._tried[-1], self._permit)

    def _headers(self, route: Route) -> dict[str, str]:
        return {
            "x-gateway-provider": route.provider.ledger_name,
            "x-gateway-model": shown(route.upstream_model),
            "x-gateway-attempts": str(len(self._tried)),
        }
