"""One request to a simulated provider, from the key to the log entry that says how it ended."""

import asyncio
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from gateway_simulator.answer import Answer, plan_answer
from gateway_simulator.control import json_response
from gateway_simulator.conversation import Conversation, RequestInvalid, require_object
from gateway_simulator.delivery import ConnectionCut, cut_connection, send_document, send_stream, wait_for_ever
from gateway_simulator.dialect import Dialect, Envelope
from gateway_simulator.directives import DirectiveInvalid, Directives, directives_in, merge_directives
from gateway_simulator.json_schema import SchemaUnsupported
from gateway_simulator.openai.dialect import model_list
from gateway_simulator.request_log import LoggedRequest, RequestLog, usage_entry
from gateway_simulator.script import Script


class Exchanges:
    """The handlers of one provider."""

    def __init__(self, dialect: Dialect, log: RequestLog, script: Script) -> None:
        self._dialect = dialect
        self._log = log
        self._script = script

    async def converse(self, request: web.Request) -> web.StreamResponse:
        return await self._logged(request, stream=False)

    async def converse_streamed(self, request: web.Request) -> web.StreamResponse:
        """The route whose path says that the answer is to be streamed."""
        return await self._logged(request, stream=True)

    async def models(self, request: web.Request) -> web.StreamResponse:
        envelope = _envelope()
        if not self._dialect.key_given(request.headers, request.query):
            return self._error(401, None, None, envelope)
        return json_response(model_list(envelope.created_s), headers=self._dialect.headers(envelope))

    async def _logged(self, request: web.Request, *, stream: bool) -> web.StreamResponse:
        body = await request.read()
        logged = self._log.receive(
            time=datetime.now(UTC).isoformat(timespec="milliseconds"),
            provider=self._dialect.name,
            path=request.path,
            headers=request.headers.items(),
            key_given=self._dialect.key_given(request.headers, request.query),
            body=body,
        )
        started_s = time.monotonic()
        ending = "client_gone"
        try:
            response = await self._answered(request, body, logged, stream=stream)
            ending = _ending(logged)
            return response
        except ConnectionCut:
            ending = logged.fault or "cut"
            return web.Response()
        except asyncio.CancelledError:
            if self._log.stopping:
                ending = "server_stopped"
            elif logged.fault == "stall":
                ending = "stalled"
            raise
        finally:
            self._log.end(logged, ending, duration_ms=(time.monotonic() - started_s) * 1000)

    async def _answered(
        self, request: web.Request, body: bytes, logged: LoggedRequest, *, stream: bool
    ) -> web.StreamResponse:
        envelope = _envelope()
        logged.response_id = self._dialect.response_id(envelope)
        if not logged.key_given:
            return self._refused(401, None, None, envelope, logged)
        missing = self._dialect.missing_header(request.headers)
        if missing is not None:
            return self._refused(400, missing, None, envelope, logged)
        try:
            document = require_object(orjson.loads(body), "body")
            conversation = self._dialect.read(document, request.match_info.get("model", ""), stream)
            directives = self._directives(conversation)
            answer = plan_answer(conversation, directives)
        except orjson.JSONDecodeError:
            return self._refused(400, "We could not parse the JSON body of your request.", None, envelope, logged)
        except (RequestInvalid, DirectiveInvalid, SchemaUnsupported) as error:
            return self._refused(400, str(error), None, envelope, logged)
        self._describe(logged, document, conversation, directives, answer, envelope)
        await asyncio.sleep(directives.headers_ms / 1000)
        if directives.drop or directives.hang:
            await _silence(request, directives, logged)
        if directives.status is not None:
            return self._refused(
                directives.status,
                directives.message,
                directives.code,
                envelope,
                logged,
                retry_after=directives.retry_after,
            )
        if not conversation.stream:
            return await send_document(request, self._dialect, answer, envelope, directives, logged)
        with self._log.open_stream():
            return await send_stream(request, self._dialect, answer, envelope, directives, logged)

    def _directives(self, conversation: Conversation) -> Directives:
        asked = directives_in(conversation.last_user_text)
        return merge_directives(self._script.take(self._dialect.name, conversation.model), asked)

    def _describe(
        self,
        logged: LoggedRequest,
        document: dict[str, Any],
        conversation: Conversation,
        directives: Directives,
        answer: Answer,
        envelope: Envelope,
    ) -> None:
        logged.body = document if self._log.keep_bodies else None
        logged.model = conversation.model
        logged.stream = conversation.stream
        logged.marker = directives.id
        logged.user = conversation.user
        logged.metadata = conversation.metadata
        logged.usage = usage_entry(answer.usage)
        if conversation.stream:
            logged.content_events_planned = sum(frame.content for frame in self._dialect.frames(answer, envelope))

    def _refused(
        self,
        status: int,
        message: str | None,
        code: str | None,
        envelope: Envelope,
        logged: LoggedRequest,
        *,
        retry_after: str | None = None,
    ) -> web.Response:
        logged.status = status
        response = self._error(status, message, code, envelope)
        if retry_after is not None:
            response.headers["Retry-After"] = retry_after
        return response

    def _error(self, status: int, message: str | None, code: str | None, envelope: Envelope) -> web.Response:
        document = self._dialect.error(status, message, code, envelope)
        return json_response(document, status=status, headers=self._dialect.headers(envelope))


def _envelope() -> Envelope:
    return Envelope(token=uuid.uuid4().hex[:24], created_s=int(time.time()))


def _ending(logged: LoggedRequest) -> str:
    if logged.status != 200 or logged.fault == "error":
        return "error"
    return "cut" if logged.fault == "cut" else "complete"


async def _silence(request: web.Request, directives: Directives, logged: LoggedRequest) -> None:
    """Break the connection without a word, or wait for the client to leave."""
    if directives.drop:
        logged.fault = "drop"
        cut_connection(request, reset=directives.cut == "rst")
        raise ConnectionCut
    logged.fault = "stall"
    await wait_for_ever()
