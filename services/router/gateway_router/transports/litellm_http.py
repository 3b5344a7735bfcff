"""How LiteLLM's clients reach providers: through the guard, in the place of a transport of their own.

LiteLLM makes an httpx client for each kind of provider and each key, and keeps it; it follows redirects, keeps cookies
and unpacks what is compressed. All of them are given `ThroughTheGuard`, which knows the call that it serves by a
context variable: outside of a call it reaches nobody.

What does not go by httpx's asynchronous clients (`requests` or `boto3` in some provider's module) is judged where it
dials, by Python's audit hook: to public addresses only, whatever the operator allows.
"""

import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import aiohttp
import httpx

from gateway_router.dialects.litellm_names import AsyncHTTPHandler, LiteLLMAiohttpTransport, litellm
from gateway_router.dialects.litellm_requests import is_translating
from gateway_router.egress import EgressRefused, refuse_unless_public
from gateway_router.transports.answer_budget import AnswerBudget
from gateway_router.transports.guarded_session import GuardedSession
from gateway_router.transports.transport import MAX_ANSWER_BYTES, AnswerNotTaken, UpstreamCut, UpstreamNotReached

MAX_LINE_BYTES = 8 * 1024 * 1024
"""Of an event stream: LiteLLM's parsers join what they have with every read until a line ends."""

MAX_LINES = 500_000
"""Of an event stream: each costs LiteLLM's parsers 30 µs, a comment too."""

_DIALLING = frozenset(("socket.connect", "socket.getaddrinfo", "socket.sendto"))
_OURS = frozenset(("accept-encoding", "connection", "content-length", "cookie", "host", "transfer-encoding"))
_NOT_PASSED_ON = frozenset(("content-encoding", "location", "set-cookie"))
"""A redirect without a `Location` is an answer like any other: nobody follows it."""


class LitellmCall:
    """What LiteLLM's clients may use and hold while they serve one call."""

    def __init__(
        self, session: GuardedSession, budget: AnswerBudget, *, connect_timeout_s: float | None = None
    ) -> None:
        self.session = session
        self.connect_timeout_s = connect_timeout_s
        self.is_over = False
        self._budget = budget
        self._held_bytes = 0
        self._answers: list[aiohttp.ClientResponse] = []

    def opened(self, answer: aiohttp.ClientResponse) -> None:
        self._answers.append(answer)

    def hold(self, size: int) -> None:
        self._budget.take(size)
        self._held_bytes += size

    @contextmanager
    def served(self) -> Iterator[None]:
        """Within: the call of whatever LiteLLM dials, in this task and in the tasks and threads that it starts."""
        before = _call.set(self)
        try:
            yield
        finally:
            _call.reset(before)

    def let_go(self) -> None:
        """Nothing is received any more: not every iterator of LiteLLM's closes what it read from."""
        self.is_over = True
        for answer in self._answers:
            answer.close()
        self._budget.give_back(self._held_bytes)
        self._held_bytes = 0


_call: ContextVar[LitellmCall | None] = ContextVar("_call", default=None)


async def _through_the_guard(_: httpx.AsyncBaseTransport, request: httpx.Request) -> httpx.Response:
    """Raises httpx's errors, with UpstreamNotReached or UpstreamCut as their cause."""
    call = _call.get()
    if call is None or call.is_over:
        raise httpx.ConnectError("not within a call to a provider", request=request)
    body = await request.aread()
    headers = {name: value for name, value in request.headers.items() if name not in _OURS}
    judged_by_the_guard = _call.set(None)
    try:
        answer = await call.session.request(
            request.method, str(request.url), headers=headers, body=body, connect_timeout_s=call.connect_timeout_s
        )
    except UpstreamNotReached as error:
        raise httpx.ConnectError(str(error), request=request) from error
    except UpstreamCut as error:
        raise httpx.ReadError(str(error), request=request) from error
    finally:
        _call.reset(judged_by_the_guard)
    call.opened(answer)
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        answer.close()
        raise httpx.ReadError("not taken") from AnswerNotTaken("the answer is compressed, which was not asked for")
    passed_on = [(name, value) for name, value in answer.headers.items() if name.lower() not in _NOT_PASSED_ON]
    return httpx.Response(answer.status, headers=passed_on, stream=_Body(answer, call), request=request)


class ThroughTheGuard(httpx.AsyncBaseTransport):
    """One for all of LiteLLM's clients: it has no state."""

    handle_async_request = _through_the_guard


class _Body(httpx.AsyncByteStream):
    """Bounded: LiteLLM holds what it reads, a plain answer whole and of a stream the last line."""

    def __init__(self, answer: aiohttp.ClientResponse, call: LitellmCall) -> None:
        self._answer = answer
        self._call = call
        self._is_stream = answer.content_type == "text/event-stream"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received_bytes = line_bytes = lines = 0
        while part := await self._part():
            received_bytes += len(part)
            if self._is_stream:
                lines += part.count(b"\n")
                line_bytes = line_bytes + len(part) if b"\n" not in part else len(part) - part.rindex(b"\n") - 1
            else:
                self._call.hold(len(part))
            if received_bytes > MAX_ANSWER_BYTES or line_bytes > MAX_LINE_BYTES or lines > MAX_LINES:
                raise httpx.ReadError("not taken") from AnswerNotTaken("more than is taken")
            yield part

    async def _part(self) -> bytes:
        try:
            return await self._answer.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise httpx.ReadError(type(error).__name__) from error

    async def aclose(self) -> None:
        self._answer.close()


class _WithoutRedirects(httpx.HTTPTransport):
    """For LiteLLM's clients that block a thread; the audit hook judges what they dial."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        response.headers.pop("location", None)
        return response


def _transport(**_: object) -> ThroughTheGuard:
    return ThroughTheGuard()


def _judge(event: str, arguments: tuple[Any, ...]) -> None:
    """Raises EgressRefused for what LiteLLM dials past the guard, and for whatever it dials while it translates."""
    if event in _DIALLING and is_translating.get():
        raise EgressRefused("a translation dials nobody")
    if event != "socket.connect" or _call.get() is None:
        return
    connecting, address = arguments
    if connecting.family in (socket.AF_INET, socket.AF_INET6):
        refuse_unless_public(str(address[0]), host=str(address[0]), port=address[1])


AsyncHTTPHandler.create_async_transport = staticmethod(_transport)
LiteLLMAiohttpTransport.handle_async_request = _through_the_guard  # of the clients that importing LiteLLM has made
litellm.sync_transport = _WithoutRedirects(trust_env=False)
sys.addaudithook(_judge)
