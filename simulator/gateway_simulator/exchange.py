"""One request to a simulated provider, from the key to the log entry that says how it ended."""

import asyncio
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from gateway_simulator.answer import plan_answer
from gateway_simulator.control import json_response
from gateway_simulator.conversation import Conversation, RequestInvalid, require_object
from gateway_simulator.delivery import Delivery
from gateway_simulator.dialect import Dialect, Envelope
from gateway_simulator.directives import DirectiveInvalid, Directives, directives_in, merge_directives
from gateway_simulator.json_schema import SchemaUnsupported
from gateway_simulator.openai.dialect import model_list
from gateway_simulator.request_log import LoggedRequest, token_counts
from gateway_simulator.state import State


class Exchanges:
    """The handlers of one provider."""

    def __init__(self, dialect: Dialect, state: State) -> None:
        self._dialect = dialect
        self._state = state

    async def converse(self, request: web.Request) -> web.StreamResponse:
        return await self._logged(request, stream=False)

    async def converse_streamed(self, request: web.Request) -> web.StreamResponse:
        """The route whose path says that the answer is to be streamed."""
        return await self._logged(request, stream=True)

    async def models(self, request: web.Request) -> web.StreamResponse:
        envelope = _envelope(self._dialect.key(request.headers, request.query))
        if not envelope.key:
            return self._error(envelope, 401)
        return json_response(model_list(envelope.created_s), headers=self._dialect.headers(envelope))

    async def _logged(self, request: web.Request, *, stream: bool) -> web.StreamResponse:
        body = await request.read()
        envelope = _envelope(self._dialect.key(request.headers, request.query))
        logged = self._state.log.receive(
            time=datetime.now(UTC).isoformat(timespec="milliseconds"),
            provider=self._dialect.name,
            path=request.path,
            headers=request.headers.items(),
            key_given=bool(envelope.key),
            body=body,
        )
        logged.response_id = self._dialect.response_id(envelope)
        started_s = time.monotonic()
        ending = "client_gone"
        try:
            response = await self._answered(request, body, envelope, logged, stream=stream)
            ending = _ending(logged)
            return response
        except ConnectionResetError:
            # The client left between two writes; there is nobody to answer.
            return web.Response()
        except asyncio.CancelledError:
            if self._state.log.stopping:
                ending = "server_stopped"
            elif logged.fault == "stall":
                ending = "stalled"
            raise
        finally:
            self._state.log.end(logged, ending, duration_ms=(time.monotonic() - started_s) * 1000)

    async def _answered(
        self, request: web.Request, body: bytes, envelope: Envelope, logged: LoggedRequest, *, stream: bool
    ) -> web.StreamResponse:
        if not envelope.key:
            return self._refused(envelope, logged, 401)
        objection = self._dialect.objection(request.headers, request.query, stream)
        if objection is not None:
            return self._refused(envelope, logged, 400, objection)
        try:
            document = require_object(orjson.loads(body), "body")
            conversation = self._read(document, request.match_info.get("model", ""), stream)
            directives = self._directives(conversation)
            answer = plan_answer(conversation, directives)
        except orjson.JSONDecodeError:
            return self._refused(envelope, logged, 400, "We could not parse the JSON body of your request.")
        except (RequestInvalid, DirectiveInvalid, SchemaUnsupported) as error:
            return self._refused(envelope, logged, 400, str(error))
        logged.usage = token_counts(answer.usage)
        self._describe(logged, document, conversation, directives)
        delivery = Delivery(request, self._dialect, answer, envelope, directives, logged, self._state.holds)
        await asyncio.sleep(directives.headers_ms / 1000)
        if directives.drop or directives.hang:
            return await delivery.keep_silent()
        if directives.status is not None:
            return self._scripted_error(envelope, logged, directives, directives.status)
        if not conversation.stream:
            return await delivery.send_document()
        with self._state.log.open_stream():
            return await delivery.send_stream()

    def _read(self, document: dict[str, Any], model: str, stream: bool) -> Conversation:
        try:
            return self._dialect.read(document, model, stream)
        except (AttributeError, KeyError, TypeError) as error:
            # Providers answer 400 to a member of the wrong type or shape; which one it was matters little here.
            raise RequestInvalid(f"the request has a member of the wrong type: {error}") from error

    def _directives(self, conversation: Conversation) -> Directives:
        asked = directives_in(conversation.last_user_text)
        return merge_directives(self._state.script.take(self._dialect.name, conversation.model), asked)

    def _describe(
        self, logged: LoggedRequest, document: dict[str, Any], conversation: Conversation, directives: Directives
    ) -> None:
        logged.body = document if self._state.log.keep_bodies else None
        logged.model = conversation.model
        logged.stream = conversation.stream
        logged.marker = directives.id
        logged.user = conversation.user
        logged.metadata = conversation.metadata

    def _scripted_error(
        self, envelope: Envelope, logged: LoggedRequest, directives: Directives, status: int
    ) -> web.Response:
        logged.fault = "status"
        response = self._refused(envelope, logged, status, directives.message, directives.code)
        if directives.retry_after is not None:
            response.headers["Retry-After"] = directives.retry_after
        return response

    def _refused(
        self,
        envelope: Envelope,
        logged: LoggedRequest,
        status: int,
        message: str | None = None,
        code: str | None = None,
    ) -> web.Response:
        logged.status = status
        return self._error(envelope, status, message, code)

    def _error(
        self, envelope: Envelope, status: int, message: str | None = None, code: str | None = None
    ) -> web.Response:
        document = self._dialect.error(status, message, code, envelope)
        return json_response(document, status=status, headers=self._dialect.headers(envelope))


def _envelope(key: str) -> Envelope:
    return Envelope(token=uuid.uuid4().hex[:24], created_s=int(time.time()), key=key)


def _ending(logged: LoggedRequest) -> str:
    if logged.fault in ("cut", "drop"):
        return logged.fault
    return "error" if logged.status != 200 or logged.fault == "error" else "complete"
