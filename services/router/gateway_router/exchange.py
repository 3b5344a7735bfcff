"""One attempt from intent to settle: the provider's answer becomes the client's, and is recorded before it ends.

Every way out records exactly one event: the provider's end, its refusal, a cut, silence, a client
that leaves (this task is cancelled), a shutdown, and a fault of our own. What fails before anything was
relayed, and might go better another time, is left to the caller to record (`Failure`).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from gateway_router import estimate, outcomes
from gateway_router.attempt import AttemptRecord, Outcome
from gateway_router.client import Client
from gateway_router.deadline import Deadline, Reason
from gateway_router.dialects.dialect import ChatStream, Translation
from gateway_router.dialects.provider_errors import refusal
from gateway_router.failure import Failure, trouble_of, trouble_of_cut
from gateway_router.limits import ABANDONED_DRAIN_S, ABANDONED_DRAIN_TOKENS, CHECKPOINT_EVERY_S, CallLimits
from gateway_router.retry_policy import Trouble
from gateway_router.routing import shown
from gateway_router.transports.answer_budget import AnswersTooLarge
from gateway_router.transports.transport import (
    MAX_ANSWER_BYTES,
    MAX_ERROR_BYTES,
    Transport,
    UpstreamCut,
    UpstreamNotReached,
    UpstreamResponse,
)
from gateway_shared.errors import GatewayError, ServiceUnavailable, UpstreamError, UpstreamTimeout
from gateway_shared.sse import DONE
from gateway_shared.usage_event import FinishState


class _ClientLeft(Exception):
    """The client is gone and nobody wants the rest."""


class Exchange:
    """One attempt. `usage_clamped` and `error_code` are for the report.

    `relaying` is called before the first bytes for the client: from then on no other attempt can take its place.
    """

    def __init__(
        self,
        record: AttemptRecord,
        translation: Translation,
        transport: Transport,
        client: Client,
        *,
        limits: CallLimits,
        deadline: Deadline,
        clock_s: Callable[[], float],
        relaying: Callable[[], None],
    ) -> None:
        self.record = record
        self.client = client
        self.error_code: str | None = None
        self.usage_clamped = False
        self._translation = translation
        self._transport = transport
        self._limits = limits
        self._clock_s = clock_s
        self._relaying = relaying
        self._deadline = deadline
        self._failure: Failure | None = None
        self._stream: ChatStream | None = None
        self._http_status = 0
        self._ttft_us: int | None = None
        self._checkpoint_s = record.attempt.started_s
        self._tokens_when_left: int | None = None

    async def run(self) -> Failure | None:
        """After the intent. None when the client is answered and all is recorded; raises what is a fault of ours."""
        try:
            await self._answered()
        except asyncio.CancelledError:
            if not self.record.settled:
                self.record.settle(self._failure.outcome if self._failure else self._cut("client_disconnect"))
            raise
        finally:
            if self._failure is None and not self.record.settled:
                # a fault of ours, on its way to the rim
                self.record.settle(replace(self._cut("gateway_lost"), status="unknown"))
        return self._failure

    async def fail(self, failure: Failure) -> None:
        """No other attempt takes this one's place: it is recorded as the final one, and the client is told."""
        await self._end(failure.error, failure.outcome, failure.headers)

    async def _answered(self) -> None:
        try:
            async with self._deadline:
                await self._converse()
        except UpstreamNotReached:
            await self._fail(UpstreamError("The provider could not be reached."), outcomes.NOT_SENT, "not_reached")
        except UpstreamCut as error:
            await self._fail(
                UpstreamError("The connection to the provider broke."), self._cut("upstream_cut"), trouble_of_cut(error)
            )
        except TimeoutError:
            await self._out_of_time(self._deadline.reason)
        except _ClientLeft:
            await self.record.settle(self._cut("client_disconnect"))

    async def _converse(self) -> None:
        is_stream = self.record.attempt.head.stream
        self._deadline.wait_at_most(self._limits.first_byte_s if is_stream else None, "silence")
        async with self._transport.open(self._translation.request, self.record.attempt.route.provider) as response:
            self._http_status = response.status
            try:
                if not 200 <= response.status < 300:
                    await self._refused(response)
                elif is_stream and _is_event_stream(response):
                    await self._relay_stream(response)
                else:
                    await self._relay_answer(response)
            except GatewayError as error:
                if self.record.settled:
                    raise
                await self._fail(error, self._given_up(error))

    async def _refused(self, response: UpstreamResponse) -> None:
        body = await response.read_start(MAX_ERROR_BYTES)
        headers = response.headers
        secret = self.record.attempt.route.provider.api_key.reveal()
        error = refusal(response.status, body, retry_after=headers.get("retry-after"), secret=secret)
        should_retry = headers.get("x-should-retry")
        relayed = {"x-should-retry": should_retry} if should_retry in ("true", "false") else {}
        is_final = should_retry == "false" or response.status < 400
        trouble = None if is_final else trouble_of(error)
        await self._fail(error, outcomes.refused(response.status), trouble, headers=relayed)

    async def _relay_answer(self, response: UpstreamResponse) -> None:
        body = await response.read(MAX_ANSWER_BYTES)
        answer = self._translation.answer(body, response.headers)
        if self.record.attempt.head.stream:
            outcome = outcomes.not_streamed(answer, self._translation.request, response.status)
            await self._fail(UpstreamError("The provider did not answer with a stream."), outcome)
            return
        source, usage = outcomes.answer_usage(answer, self._translation.request)
        self.usage_clamped = usage.clamped
        ttft_us = self._since_start_us()
        outcome = Outcome(
            "settled",
            "complete",
            source,
            usage.tokens,
            response.status,
            answer.model_served,
            answer.service_tier,
            ttft_us,
        )
        self._deadline.wait_at_most(None, "silence")
        await self.record.settle(self._as_received(outcome))
        self._name_model(answer.model_served)
        await self.client.send(answer.body)

    async def _relay_stream(self, response: UpstreamResponse) -> None:
        stream = self._stream = self._translation.stream(response.headers)
        self._translation.request.let_go()
        self._deadline.wait_at_most(self._limits.silence_s, "silence")
        async for data in response.chunks():
            await self._pass_on(stream, stream.feed(data))
            response.hold(stream.held_bytes)
            if stream.failure is not None or stream.progress.done:
                break
            self._deadline.wait_at_most(self._limits.silence_s, "silence")
        last = b"" if stream.failure is not None else stream.end()
        if stream.failure is not None:
            await self._pass_on(stream, last)
            await self._fail(stream.failure, self._broken_off(stream), trouble_of(stream.failure))
            return
        await self._complete(stream, last)
        await response.finish()

    async def _complete(self, stream: ChatStream, last: bytes) -> None:
        """The record is durable before the last bytes leave (RELIABILITY: I1)."""
        progress = stream.progress
        source, tokens = outcomes.stream_usage(progress, self._translation.request)
        outcome = Outcome(
            "settled",
            "complete",
            source,
            tokens,
            self._http_status,
            progress.model_served,
            progress.service_tier,
            self._ttft_us,
        )
        self.usage_clamped = progress.usage is not None and progress.usage.clamped
        self._deadline.wait_at_most(None, "silence")
        await self.record.settle(self._as_received(outcome))
        await self.client.write(last + DONE)

    async def _pass_on(self, stream: ChatStream, written: bytes) -> None:
        if written and self._ttft_us is None:
            self._ttft_us = self._since_start_us()
            self._name_model(stream.progress.model_served)
            self._relaying()
        if written and not self.client.put(written) and not self.client.gone:
            self._deadline.wait_at_most(self._limits.silence_s, "client")
            await self.client.write(written)
        if self.client.gone:
            self._check_drain(stream)
        now_s = self._clock_s()
        if now_s - self._checkpoint_s >= CHECKPOINT_EVERY_S:
            self._checkpoint_s = now_s
            self.record.checkpoint(self._cut("gateway_lost"))

    def _check_drain(self, stream: ChatStream) -> None:
        """Raises _ClientLeft when the rest of the stream is not wanted, or has become too long."""
        progress = stream.progress
        output_tokens = estimate.output_tokens(text_bytes=progress.text_bytes, chunks=progress.chunks)
        if self._tokens_when_left is None:
            self._tokens_when_left = output_tokens
            self._deadline.end_within(ABANDONED_DRAIN_S, "drain")
        drained_tokens = output_tokens - self._tokens_when_left
        if not self._limits.drains_abandoned or drained_tokens > ABANDONED_DRAIN_TOKENS:
            raise _ClientLeft

    async def _out_of_time(self, reason: Reason) -> None:
        match reason:
            case "client" | "drain":
                await self.record.settle(self._cut("client_disconnect"))
            case "shutdown":
                error = ServiceUnavailable("The gateway is being restarted.", retry_after_s=1)
                await self._fail(error, self._cut("gateway_lost"))
            case _:
                await self._fail(UpstreamTimeout(), self._cut("timeout"), "timeout")

    async def _fail(
        self,
        error: GatewayError,
        outcome: Outcome,
        trouble: Trouble | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """The end, or a Failure where another attempt may help and nothing was relayed."""
        if trouble is None or self._ttft_us is not None or self.record.settled:
            await self._end(error, outcome, headers)
        else:
            self.record.end()
            self._failure = Failure(trouble, error, outcome, headers or {})

    async def _end(self, error: GatewayError, outcome: Outcome, headers: Mapping[str, str] | None) -> None:
        self.error_code = error.code
        if not self.record.settled:
            await self.record.settle(outcome)
        await self.client.fail(error, headers=headers)

    def _as_received(self, outcome: Outcome) -> Outcome:
        """An answer that came to its end, but to nobody, is a partial one with the provider's own figure."""
        if not self.client.gone:
            return outcome
        source = "drained" if outcome.usage_source == "provider" else outcome.usage_source
        return replace(outcome, status="partial", finish_state="client_disconnect", usage_source=source)

    def _given_up(self, error: GatewayError) -> Outcome:
        if not isinstance(error, AnswersTooLarge):
            return outcomes.unusable(self._http_status)
        return self._cut("gateway_lost") if self._stream else outcomes.not_held(self._http_status)

    def _broken_off(self, stream: ChatStream) -> Outcome:
        if stream.progress.chunks == 0 and stream.progress.usage is None:
            return outcomes.unusable(self._http_status)
        return self._cut("upstream_error")

    def _cut(self, finish_state: FinishState) -> Outcome:
        request = self._translation.request
        if not request.is_sent:
            return outcomes.not_sent(finish_state)
        if self._stream is None:
            return replace(outcomes.without_answer(finish_state, request), http_status=self._http_status)
        if finish_state == "upstream_cut" and self._ttft_us is None:
            return outcomes.unusable(self._http_status)
        return outcomes.cut(
            finish_state, self._stream.progress, request, http_status=self._http_status, ttft_us=self._ttft_us
        )

    def _name_model(self, model_served: str | None) -> None:
        self.client.headers["x-gateway-model"] = shown(model_served or self.record.attempt.route.upstream_model)

    def _since_start_us(self) -> int:
        return round((self._clock_s() - self.record.attempt.started_s) * 1e6)


def _is_event_stream(response: UpstreamResponse) -> bool:
    return not response.headers.get("content-type", "").startswith("application/json")
