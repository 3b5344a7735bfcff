"""The operations that the router offers over the hop, and who may call them."""

from gateway_shared.hop import CHAT_COMPLETIONS, HEALTH, MODELS, PROVIDERS
from gateway_shared.hop_server import HopAnswer, HopCall, Operation, Serve

_EDGE_ONLY = frozenset({"edge"})
MAX_PROVIDER_CALLS = 32
"""At once: operators are few, and each may wait for the database."""


def operations(
    chat: Serve, models: Serve, providers: Serve, *, max_open_calls: int | None = None
) -> dict[str, Operation]:
    """`max_open_calls`: beyond it a call is 503 `overloaded`, before its body is read."""
    return {
        CHAT_COMPLETIONS: Operation(chat, callers=_EDGE_ONLY, max_open=max_open_calls),
        MODELS: Operation(models, callers=_EDGE_ONLY),
        PROVIDERS: Operation(providers, callers=_EDGE_ONLY, max_open=MAX_PROVIDER_CALLS),
        HEALTH: Operation(_is_alive, callers=_EDGE_ONLY),
    }


async def _is_alive(_call: HopCall, answer: HopAnswer) -> None:
    await answer.send(200, {}, b"")
