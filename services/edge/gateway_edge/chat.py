"""POST /v1/chat/completions and /v1/langchain/chat/completions."""

from aiohttp import hdrs, web

from gateway_edge import metrics
from gateway_edge.attribution import attribution_of, clean
from gateway_edge.authentication import WithinLimits, authenticate
from gateway_edge.chat_request import ChatRequest, parse_chat_request
from gateway_edge.grant import Grant
from gateway_edge.key_format import KeyKind
from gateway_edge.pseudonym import pseudonym_of
from gateway_edge.relay import relay
from gateway_edge.request_record import RECORD
from gateway_edge.resources import BODIES, SETTINGS
from gateway_shared.call_head import CallHead
from gateway_shared.hop import CHAT_COMPLETIONS

MODEL_KEYS: frozenset[KeyKind] = frozenset({"gw", "langchain"})
LANGCHAIN_KEYS: frozenset[KeyKind] = frozenset({"langchain"})


async def chat_completions(request: web.Request) -> web.StreamResponse:
    return await _chat_completions(request, MODEL_KEYS, always_relay_usage=False)


async def langchain_chat_completions(request: web.Request) -> web.StreamResponse:
    """ChatOpenAI does not ask for streamed usage of its own accord, so here it always gets it (WIRE)."""
    return await _chat_completions(request, LANGCHAIN_KEYS, always_relay_usage=True)


async def _chat_completions(
    request: web.Request, kinds: frozenset[KeyKind], *, always_relay_usage: bool
) -> web.StreamResponse:
    grant = await authenticate(request, kinds=kinds)
    record = request[RECORD]
    if grant.channel == "langchain":
        metrics.LANGCHAIN_REQUESTS.inc()
        record.is_langchain_call = True
    with WithinLimits(request, grant), await request.app[BODIES].read_json(request) as body:
        chat = parse_chat_request(body.take())
        record.model = chat.model
        head = _call_head(request, grant, chat, relay_usage=always_relay_usage or chat.asks_for_usage)
        answering = relay(request, CHAT_COMPLETIONS, head.to_json(), chat.rest)
        del chat  # or it would be held while the answer streams
        return await answering


def _call_head(request: web.Request, grant: Grant, chat: ChatRequest, *, relay_usage: bool) -> CallHead:
    said = attribution_of(request.headers, chat.metadata)
    return CallHead(
        request_id=request[RECORD].request_id,
        endpoint=CHAT_COMPLETIONS,
        model=chat.model,
        stream=chat.stream,
        stream_options=chat.stream_options,
        relay_usage=relay_usage,
        caller=grant.caller,
        end_user=_pseudonym(request, grant, chat.end_user),
        end_user_name=clean(chat.end_user) if grant.plain_end_user_ids else None,
        agent_id=said.agent_id,
        agent_run_id=said.agent_run_id,
        agent_parent_run_id=said.agent_parent_run_id,
        traceparent=said.traceparent,
        retry_count=said.retry_count,
    )


def _pseudonym(request: web.Request, grant: Grant, named: str | None) -> str | None:
    if not named:
        return None
    return pseudonym_of(named, tenant_id=grant.tenant_id, pepper=request.app[SETTINGS].key_pepper.reveal_bytes())


async def expect_body(request: web.Request) -> None:
    """`Expect: 100-continue` is answered unless the body is refused by its announced length (RFC 9110, 10.1.1)."""
    is_wanted = (request.content_length or 0) <= request.app[SETTINGS].max_body_bytes
    if is_wanted and request.headers[hdrs.EXPECT].lower() == "100-continue" and request.version >= (1, 1):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun
