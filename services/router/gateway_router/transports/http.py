"""Providers over HTTP by aiohttp: the other of the two clients (PROVIDER_CLIENT)."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import aiohttp

from gateway_router.configuration import Provider
from gateway_router.dialects.dialect import UpstreamRequest
from gateway_router.egress import EgressGuard
from gateway_router.transports.answer_budget import AnswerBudget
from gateway_router.transports.guarded_session import GuardedSession
from gateway_router.transports.transport import CLOSING_WITHIN_S, KeptConnectionClosed, ReadInParts, UpstreamCut

FINISH_TIMEOUT_S = 0.25


class HttpTransport:
    def __init__(self, guard: EgressGuard, *, connect_timeout_s: float, budget: AnswerBudget | None = None) -> None:
        self._session = GuardedSession(guard, connect_timeout_s=connect_timeout_s, traces=(_marking_sent(),))
        self._budget = budget or AnswerBudget()

    @asynccontextmanager
    async def open(self, request: UpstreamRequest, _provider: Provider, /) -> AsyncIterator["HttpResponse"]:
        sending = _Sending(request)
        try:
            answer = await self._session.request(
                "POST",
                request.url,
                headers=request.headers,
                body=request.body,
                connect_timeout_s=request.connect_timeout_s,
                context=sending,
            )
        except UpstreamCut as error:
            if sending.was_closing(asyncio.get_running_loop().time()):
                raise KeptConnectionClosed(str(error)) from error
            raise
        response = HttpResponse(answer, self._budget)
        try:
            yield response
        finally:
            response.let_go()
            # gives the connection back when the body was read to its end, closes it otherwise
            answer.close()

    async def close(self) -> None:
        await self._session.close()


@dataclass(slots=True)
class _Sending:
    """What aiohttp's session tells of a request. `reused_s`: when it got a kept connection, None for a new one."""

    request: UpstreamRequest
    reused_s: float | None = None

    def was_closing(self, now_s: float) -> bool:
        """No answer came, so soon that a kept connection was being closed as it was used."""
        return self.reused_s is not None and now_s - self.reused_s < CLOSING_WITHIN_S


def _marking_sent() -> aiohttp.TraceConfig:
    async def reused(
        _session: aiohttp.ClientSession, context: SimpleNamespace, _: aiohttp.TraceConnectionReuseconnParams
    ) -> None:
        context.trace_request_ctx.reused_s = asyncio.get_running_loop().time()

    async def sent(
        _session: aiohttp.ClientSession, context: SimpleNamespace, _: aiohttp.TraceRequestHeadersSentParams
    ) -> None:
        context.trace_request_ctx.request.is_sent = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(reused)
    trace.on_request_headers_sent.append(sent)
    return trace


class HttpResponse(ReadInParts):
    """See UpstreamResponse."""

    def __init__(self, response: aiohttp.ClientResponse, budget: AnswerBudget) -> None:
        super().__init__(budget)
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    async def part(self) -> bytes:
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamCut(type(error).__name__) from error

    async def finish(self) -> None:
        try:
            async with asyncio.timeout(FINISH_TIMEOUT_S):
                while not self._response.content.at_eof() and await self._response.content.readany():
                    continue
        except (TimeoutError, aiohttp.ClientError, OSError):
            self._response.close()
