"""The operation `chat.completions`: from the edge's call to an exchange with a provider."""

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateway_router import metrics
from gateway_router.attempt import Attempt, AttemptRecord, Journal
from gateway_router.background import BackgroundTasks
from gateway_router.call_report import report
from gateway_router.client import Answer, Client
from gateway_router.configuration import Directory
from gateway_router.dialects.dialect import ChatCall, Translate
from gateway_router.exchange import Exchange
from gateway_router.kinds import Wire
from gateway_router.limits import CallLimits
from gateway_router.routing import GuessProvider, Route, route, shown
from gateway_router.transports.transport import Transport
from gateway_shared import canonical_log
from gateway_shared.call_head import CallHead
from gateway_shared.errors import GatewayError, NotFound, ServerError
from gateway_shared.hop import CHAT_COMPLETIONS
from gateway_shared.hop_server import HopCall
from gateway_shared.ids import dashed, uuid7_hex
from gateway_shared.labelled import labelled


@dataclass(frozen=True, slots=True)
class Speech:
    """How providers of one wire are spoken to."""

    translate: Translate
    transport: Transport


@dataclass(slots=True)
class ChatCalls:
    """Serves calls; knows the open ones, so that a shutdown can wait for them and then end them."""

    directory: Directory
    speeches: Mapping[Wire, Speech]
    journal: Journal
    limits: CallLimits
    guess: GuessProvider
    background: BackgroundTasks = field(default_factory=BackgroundTasks)
    _open: set[Exchange] = field(default_factory=set)
    _all_ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def open_calls(self) -> int:
        return len(self._open)

    async def serve(self, call: HopCall, answer: Answer) -> None:
        """One call of the hop. Raises GatewayError while nothing was answered and no provider was asked."""
        client: Client | None = None
        try:
            head = CallHead.from_json(call.head)
            exchange = self._exchange(head, call.take_body(), answer)
            client = exchange.client
            await self._run(exchange)
        except GatewayError as error:
            metrics.REFUSED.labels(error.code).inc()
            if client is None:
                raise
            await client.fail(error)
        except Exception as error:
            canonical_log.exception("call failed", error)
            if client is None:
                raise ServerError from error
            await client.fail(ServerError())

    async def finish(self, timeout_s: float) -> None:
        """Waits for the open calls; what is open after `timeout_s` is ended with an error event."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._open:
                    self._all_ended.clear()
                    await self._all_ended.wait()
        except TimeoutError:
            for exchange in tuple(self._open):
                exchange.stop()
        await self.background.wait(1)

    def _exchange(self, head: CallHead, rest: bytes, answer: Answer) -> Exchange:
        if head.endpoint != CHAT_COMPLETIONS:
            raise NotFound
        registered = self.directory.current.visible_to(head.caller.tenant_id)
        providers = {name: registration.ways[0] for name, registration in registered.items()}
        chosen = route(head.model, providers, self.guess)
        speech = self.speeches[chosen.provider.wire]
        now_s = time.time()
        event_id = uuid7_hex(unix_ms=int(now_s * 1000), random_bytes=os.urandom(10))
        chat = ChatCall(
            upstream_model=chosen.upstream_model,
            stream=head.stream,
            stream_options=head.stream_options,
            relay_usage=head.relay_usage,
            rest=rest,
            completion_id=f"chatcmpl-{event_id}",
            created_s=int(now_s),
        )
        attempt = Attempt(
            event_id=dashed(event_id),
            head=head,
            route=chosen,
            started_at=datetime.fromtimestamp(now_s, UTC).isoformat(timespec="microseconds"),
            started_s=time.monotonic(),
        )
        return Exchange(
            AttemptRecord(attempt, self.journal, time.monotonic),
            speech.translate(chat, chosen.provider),
            speech.transport,
            Client(answer, _headers(chosen)),
            limits=self.limits,
            clock_s=time.monotonic,
        )

    async def _run(self, exchange: Exchange) -> None:
        if not self.limits.drains_abandoned:
            await self._run_to_end(exchange)
            return
        task = self.background.start(self._run_to_end(exchange), name="exchange")
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            exchange.client_left()
            raise

    async def _run_to_end(self, exchange: Exchange) -> None:
        open_calls = labelled(metrics.OPEN_CALLS, "stream" if exchange.record.attempt.head.stream else "plain")
        self._open.add(exchange)
        open_calls.inc()
        try:
            await exchange.run()
        finally:
            self._open.discard(exchange)
            open_calls.dec()
            if not self._open:
                self._all_ended.set()
            if exchange.record.settled:
                report(exchange, duration_s=time.monotonic() - exchange.record.attempt.started_s)


def _headers(chosen: Route) -> dict[str, str]:
    return {
        "x-gateway-provider": chosen.provider.ledger_name,
        "x-gateway-model": shown(chosen.upstream_model),
        "x-gateway-attempts": "1",
    }
