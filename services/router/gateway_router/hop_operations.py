"""The operations that the router offers over the hop, and who may call them."""

from gateway_router.calls import ChatCalls
from gateway_shared.hop import CHAT_COMPLETIONS, MODELS
from gateway_shared.hop_server import HopAnswer, HopCall, Operation

_EDGE_ONLY = frozenset({"edge"})


def operations(calls: ChatCalls, model_list: bytes, *, max_open_calls: int | None = None) -> dict[str, Operation]:
    """`max_open_calls`: beyond it a call is 503 `overloaded`, before its body is read."""

    async def list_models(call: HopCall, answer: HopAnswer) -> None:
        await answer.send(200, {"Content-Type": "application/json"}, model_list)

    return {
        CHAT_COMPLETIONS: Operation(calls.serve, callers=_EDGE_ONLY, max_open=max_open_calls),
        MODELS: Operation(list_models, callers=_EDGE_ONLY),
    }
