"""LiteLLM's tokeniser and its table of costs take milliseconds: no call to a translated provider comes near them."""

import json
import sys
from collections.abc import Callable
from typing import NoReturn

import litellm
import pytest
import tiktoken

from gateway_router.dialects import litellm_names  # noqa: F401 - what the router uses of it is imported
from tests.integration.router.router_rig import RouterRig
from tests.integration.router.test_calls import PLAIN_OR_STREAM, asking, data_of, one_event, text_of

HEAVY = ("token_counter", "encode", "decode", "completion_cost", "cost_per_token", "create_tokenizer")
ENCODING = ("encode", "encode_ordinary", "encode_batch", "encode_ordinary_batch", "decode")


class TooHeavy(BaseException):
    """Not an Exception: nobody on the way may make light of it."""


def refuse(*_: object, **__: object) -> NoReturn:
    raise TooHeavy


def places_of(functions: list[Callable[..., object]]) -> list[tuple[object, str]]:
    """Every name in LiteLLM's modules under which one of these has been imported."""
    modules = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] == "litellm"]
    return [
        (module, name)
        for module in modules
        for name, value in list(vars(module).items())
        if any(value is function for function in functions)
    ]


@pytest.fixture
def without_heavy_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    for place, name in places_of([getattr(litellm, name) for name in HEAVY]):
        monkeypatch.setattr(place, name, refuse)
    for name in ENCODING:
        monkeypatch.setattr(tiktoken.Encoding, name, refuse)
    with pytest.raises(TooHeavy):
        litellm.utils.token_counter("gpt-4o", text="one")


@pytest.mark.usefixtures("without_heavy_paths")
@pytest.mark.parametrize("provider", ["anthropic", "google"])
@PLAIN_OR_STREAM
async def test_a_translated_answer_is_counted_and_priced_by_nobody_here(
    provider: str, stream: bool, router: RouterRig
) -> None:
    # thoughts above all: LiteLLM counts their tokens itself where it is let
    text = "one two [[sim input=2 words=7 reasoning=4 cached=1]]"
    body = asking(provider, text, stream=stream, reasoning_effort="low")
    received = await router.call(body, relay_usage=stream)
    assert received.status == 200
    assert b"reasoning_content" in received.body
    if stream:
        assert data_of(received)[-1] == "[DONE]"
        text = text_of(data_of(received))
    else:
        text = json.loads(received.body)["choices"][0]["message"]["content"]
    assert len(text.split()) == 7
    event = one_event(router)
    assert (event.status, event.usage_source, event.tokens.output_tokens) == ("settled", "provider", 11)
