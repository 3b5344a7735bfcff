"""Providers through `litellm.acompletion`: its retries off, its answer put into OpenAI's format again (LITELLM.md).

About 2 ms a chunk: for the long tail of providers only.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import orjson

from gateway_router.configuration import Provider
from gateway_router.dialects.chat_chunks import ChatChunks
from gateway_router.dialects.dialect import UpstreamRequest
from gateway_router.dialects.litellm_names import litellm
from gateway_router.dialects.translated import delta_of, message_of
from gateway_router.egress import EgressGuard
from gateway_router.transports.answer_budget import AnswerBudget, AnswersTooLarge
from gateway_router.transports.guarded_session import GuardedSession
from gateway_router.transports.litellm_http import LitellmCall
from gateway_router.transports.transport import AnswerNotTaken, UpstreamCut, UpstreamNotReached
from gateway_router.usage import from_openai, to_openai
from gateway_shared.sse import DONE
from gateway_shared.usage_event import TokenCounts

_NOT_REACHED = {"gateway_router.UpstreamNotReached", "gateway_router.EgressRefused", "httpcore.ConnectError"}
_BROKEN = {"aiohttp.ClientError", "httpx.TransportError", "openai.APIConnectionError"}

_Error = TypeVar("_Error", bound=BaseException)
_KEPT_CHUNKS = 1_000
_NO_KEY = "none"
"""For a server that wants none: without any, LiteLLM would send what it finds in this process's environment."""


class LitellmTransport:
    def __init__(
        self,
        guard: EgressGuard,
        *,
        connect_timeout_s: float,
        call_timeout_s: float,
        budget: AnswerBudget | None = None,
    ) -> None:
        self._session = GuardedSession(guard, connect_timeout_s=connect_timeout_s)
        self._call_timeout_s = call_timeout_s
        self._budget = budget or AnswerBudget()

    @asynccontextmanager
    async def open(self, request: UpstreamRequest, provider: Provider, /) -> AsyncIterator["_Response"]:
        call = LitellmCall(self._session, self._budget, connect_timeout_s=request.connect_timeout_s)
        try:
            async with self._answered(call, request, provider) as response:
                yield response
        finally:
            call.let_go()

    @asynccontextmanager
    async def _answered(
        self, call: LitellmCall, request: UpstreamRequest, provider: Provider
    ) -> AsyncIterator["_Response"]:
        arguments = orjson.loads(request.body)
        request.is_sent = True  # LiteLLM does not say when: from here on it may have been
        try:
            with call.served():
                answer = await litellm.acompletion(
                    **arguments,
                    custom_llm_provider=provider.litellm_name,
                    api_base=request.url or None,
                    api_key=provider.api_key.reveal() or _NO_KEY,
                    timeout=self._call_timeout_s,
                    num_retries=0,
                    max_retries=0,
                )
        except litellm.exceptions.Timeout as error:
            raise TimeoutError from error
        except tuple(litellm.LITELLM_EXCEPTION_TYPES) as error:
            too_large = _cause(error, AnswersTooLarge)
            if too_large is None:
                _raise_if_unanswered(error)
            yield _refusal(error) if too_large is None else _TooLarge(too_large)
            return
        if not arguments["stream"]:
            yield _Response(200, _plain(answer))
            return
        try:
            yield _Response(200, b"", _events(answer), {"content-type": "text/event-stream"})
        finally:
            await answer.aclose()

    async def close(self) -> None:
        await self._session.close()
        await litellm.close_litellm_async_clients()
        litellm.in_memory_llm_clients_cache.flush_cache()


class _Response:
    """See UpstreamResponse."""

    def __init__(
        self,
        status: int,
        body: bytes,
        events: AsyncIterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.headers = headers or {"content-type": "application/json"}
        self._body = body
        self._events = events

    async def chunks(self) -> AsyncIterator[bytes]:
        if self._events is None:
            yield self._body
            return
        async for event in self._events:
            yield event

    async def read(self, max_bytes: int) -> bytes:
        if len(self._body) > max_bytes:
            raise AnswerNotTaken(f"more than {max_bytes} bytes")
        return self._body

    async def read_start(self, max_bytes: int) -> bytes:
        return self._body[:max_bytes]

    def hold(self, size: int) -> None:
        """LiteLLM holds the rest of a line as well."""

    async def finish(self) -> None:
        """The stream is closed when the exchange is left."""


class _TooLarge(_Response):
    """An answer that had begun, and for which there was no memory."""

    def __init__(self, error: AnswersTooLarge) -> None:
        super().__init__(200, b"")
        self._error = error

    async def read(self, max_bytes: int) -> bytes:  # noqa: ARG002
        raise self._error


def _plain(answer: Any) -> bytes:
    used = _usage(answer)
    return orjson.dumps(
        {
            "id": answer.id,
            "object": "chat.completion",
            "created": answer.created,
            "model": answer.model,
            "choices": [
                {
                    "index": choice.index,
                    "message": message_of(choice.message),
                    "logprobs": choice.logprobs.model_dump() if getattr(choice, "logprobs", None) else None,
                    "finish_reason": choice.finish_reason,
                }
                for choice in answer.choices
            ],
            "usage": None if used is None else _written(used),
            **_tier(answer),
        }
    )


def _written(used: TokenCounts) -> dict[str, object]:
    """OpenAI's `usage`, with how much of what was written to a cache lasts an hour, which OpenAI's does not say."""
    usage = to_openai(used)
    if not used.cache_write_1h_tokens:
        return usage
    lifetimes = {"ephemeral_1h_input_tokens": used.cache_write_1h_tokens}
    details: Any = usage["prompt_tokens_details"]
    return {**usage, "prompt_tokens_details": {**details, "cache_creation_token_details": lifetimes}}


def _tier(answer: Any) -> dict[str, str]:
    tier = getattr(answer, "service_tier", None)
    return {"service_tier": tier} if isinstance(tier, str) else {}


def _usage(answer: Any) -> TokenCounts | None:
    """None also for one that cannot be true: it is nobody's word."""
    said = getattr(answer, "usage", None)
    used = None if said is None else from_openai(said.model_dump())
    return None if used is None or used.absurd else used.tokens


async def _events(stream: Any) -> AsyncIterator[bytes]:
    chunks: ChatChunks | None = None
    usage = None
    try:
        async for chunk in stream:
            chunks = chunks or ChatChunks(completion_id=chunk.id, created_s=chunk.created, model=chunk.model)
            chunks.service_tier = _tier(chunk).get("service_tier", chunks.service_tier)
            usage = _usage(chunk) or usage
            for choice in chunk.choices:
                yield chunks.delta(delta_of(choice.delta), choice=choice.index)
                if choice.finish_reason:
                    chunks.finish(choice.finish_reason, choice=choice.index)
            _forget_old(stream.chunks)
    except tuple(litellm.LITELLM_EXCEPTION_TYPES) as error:
        raise _cut(error) from error
    # it invents a finish reason and a count of tokens for a stream that merely ends
    if chunks is None or not (stream.received_finish_reason or stream.intermittent_finish_reason):
        raise UpstreamCut("no finish reason")
    yield chunks.finish_events()
    if usage is not None and any(getattr(chunk, "usage", None) for chunk in stream.chunks):
        yield chunks.said_usage(_written(usage))
    yield DONE


def _forget_old(kept: list[Any]) -> None:
    """LiteLLM keeps every chunk of a stream, some kilobytes each, and needs those with usage and the last two."""
    if len(kept) > _KEPT_CHUNKS:
        kept[:-2] = [chunk for chunk in kept[:-2] if getattr(chunk, "usage", None)]


def _refusal(error: Any) -> _Response:
    headers = getattr(error, "litellm_response_headers", None) or {}
    relayed = {name.lower(): str(value) for name, value in headers.items() if name.lower() == "retry-after"}
    fields = {name: getattr(error, name, None) for name in ("type", "param", "code")}
    body = orjson.dumps({"error": {"message": str(error.message), **fields}}, default=str)
    return _Response(int(error.status_code), body, None, {"content-type": "application/json", **relayed})


def _raise_if_unanswered(error: BaseException) -> None:
    """Raises UpstreamNotReached or UpstreamCut where no answer came: LiteLLM makes a 500 of both.

    Its errors do not say; the chain of their causes, down to httpx's, does.
    """
    kinds: set[str] = set()
    for cause in _causes(error):
        kinds |= {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(cause).__mro__}
    if kinds & _NOT_REACHED:
        raise UpstreamNotReached(type(error).__name__) from error
    if kinds & _BROKEN:
        raise _cut(error) from error


def _cut(error: BaseException) -> UpstreamCut:
    """AnswerNotTaken where it was our transport that took no more."""
    not_taken = _cause(error, AnswerNotTaken)
    return AnswerNotTaken(str(not_taken)) if not_taken else UpstreamCut(type(error).__name__)


def _cause(error: BaseException, kind: type[_Error]) -> _Error | None:
    return next((cause for cause in _causes(error) if isinstance(cause, kind)), None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
