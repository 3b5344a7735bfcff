"""A router for the edge's tests: the real hop server over real mTLS, its answer a function of the call."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from gateway_shared.call_head import CallHead
from gateway_shared.errors import ModelNotFound
from gateway_shared.hop import CHAT_COMPLETIONS, HEALTH, MODELS, PROVIDERS
from gateway_shared.hop_server import HopAnswer, HopCall, Operation, serve_hop
from gateway_shared.model_call import ModelCall
from gateway_shared.tls import TlsFiles, server_context

Answer = Callable[[HopCall, HopAnswer], Awaitable[None]]

COMPLETION = b'{"id":"chatcmpl-1","object":"chat.completion","choices":[]}'
MODEL_LIST = b'{"object":"list","data":[{"id":"gpt-4o","object":"model"},{"id":"meta/llama-3","object":"model"}]}'
MODEL = b'{"id":"meta/llama-3","object":"model"}'


async def complete(call: HopCall, answer: HopAnswer) -> None:
    await answer.send(200, {"Content-Type": "application/json", "X-Gateway-Provider": "openai"}, COMPLETION)


class StandInRouter:
    """`answer` may be replaced by a test; `calls` are those that came, in order."""

    def __init__(self) -> None:
        self.answer: Answer = complete
        self.calls: list[HopCall] = []
        self.url = ""
        self._operations: dict[str, Operation] = {}

    @property
    def heads(self) -> list[CallHead]:
        return [CallHead.from_json(call.head) for call in self.calls]

    @asynccontextmanager
    async def running(self, files: TlsFiles, *, port: int = 0) -> AsyncIterator["StandInRouter"]:
        operations = self._operations = {
            CHAT_COMPLETIONS: Operation(self._chat, frozenset({"edge"})),
            MODELS: Operation(self._models, frozenset({"edge"})),
            PROVIDERS: Operation(self._chat, frozenset({"edge"})),
            HEALTH: Operation(self._is_alive, frozenset({"edge"})),
        }
        tls = server_context(files)
        async with serve_hop(operations, host="127.0.0.1", port=port, tls=tls, deployment="agent-gateway") as hop:
            self.url = f"https://localhost:{hop.port}"
            yield self

    def change_chat(self, **fields: Any) -> None:
        """From now on: `max_open` calls at once, or other `callers`."""
        self._operations[CHAT_COMPLETIONS] = replace(self._operations[CHAT_COMPLETIONS], **fields)

    async def _chat(self, call: HopCall, answer: HopAnswer) -> None:
        self.calls.append(call)
        await self.answer(call, answer)

    async def _is_alive(self, _call: HopCall, answer: HopAnswer) -> None:
        await answer.send(200, {}, b"")

    async def _models(self, call: HopCall, answer: HopAnswer) -> None:
        model = ModelCall.from_json(call.head).model
        if model not in (None, "meta/llama-3"):
            raise ModelNotFound
        await answer.send(200, {"Content-Type": "application/json"}, MODEL_LIST if model is None else MODEL)
