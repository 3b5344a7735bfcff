"""The operation `chat.completions`: from the edge's call to a plan, and to the attempts at it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway_router import metrics
from gateway_router.attempt import Journal
from gateway_router.background import BackgroundTasks
from gateway_router.chat_call import Call, Speech
from gateway_router.client import Answer, Client
from gateway_router.configuration import Directory
from gateway_router.keep_alive import KeptAlive
from gateway_router.kinds import Wire
from gateway_router.limits import CallLimits
from gateway_router.resilience import Resilience
from gateway_router.routing import GuessProvider, RoutingTables
from gateway_shared import canonical_log
from gateway_shared.call_head import CallHead
from gateway_shared.errors import GatewayError, NotFound, ServerError
from gateway_shared.hop import CHAT_COMPLETIONS
from gateway_shared.hop_server import HopCall
from gateway_shared.labelled import labelled


@dataclass(slots=True)
class ChatCalls:
    """Serves calls; knows the open ones, so that a shutdown can wait for them and then end them."""

    directory: Directory
    speeches: Mapping[Wire, Speech]
    journal: Journal
    limits: CallLimits
    guess: GuessProvider
    resilience: Resilience = field(default_factory=Resilience)
    background: BackgroundTasks = field(default_factory=BackgroundTasks)
    _open: set[Call] = field(default_factory=set)
    _all_ended: asyncio.Event = field(default_factory=asyncio.Event)
    _tables: RoutingTables = field(init=False)

    def __post_init__(self) -> None:
        self._tables = RoutingTables(self.directory, self.guess)

    @property
    def open_calls(self) -> int:
        return len(self._open)

    async def serve(self, hop_call: HopCall, answer: Answer) -> None:
        """One call of the hop. Raises GatewayError while nothing was answered and no provider was asked."""
        client: Client | None = None
        try:
            head = CallHead.from_json(hop_call.head)
            call = self._call(head, hop_call.take_body(), answer)
            client = call.client
            await self._run(call)
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
            for call in tuple(self._open):
                call.stop()
        await self.background.wait(1)

    def _call(self, head: CallHead, rest: bytes, answer: Answer) -> Call:
        if head.endpoint != CHAT_COMPLETIONS:
            raise NotFound
        table = self._tables.of(head.caller.tenant_id)
        plan = self.resilience.plan(table.candidates(head.model))
        return Call(head, rest, plan, Client(answer, {}), self)

    async def _run(self, call: Call) -> None:
        if not self.limits.drains_abandoned:
            await self._run_to_end(call)
            return
        task = self.background.start(self._run_to_end(call), name="call")
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            call.client_left()
            raise

    async def _run_to_end(self, call: Call) -> None:
        open_calls = labelled(metrics.OPEN_CALLS, "stream" if call.head.stream else "plain")
        self._open.add(call)
        open_calls.inc()
        keep_alive_s = self.limits.keep_alive_s if call.head.stream else 0
        try:
            with KeptAlive(call.client, every_s=keep_alive_s):
                await call.run()
        finally:
            self._open.discard(call)
            open_calls.dec()
            if not self._open:
                self._all_ended.set()
