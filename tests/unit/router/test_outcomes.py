"""What a figure that cannot be true, or a request that never went out, is worth."""

import pytest

from gateway_router import outcomes
from gateway_router.dialects.dialect import Answer, Progress, UpstreamRequest
from gateway_router.usage import from_openai

BODY = b"x" * 400
REQUEST = UpstreamRequest("https://provider/v1", {}, BODY)


@pytest.mark.parametrize("prompt_tokens", [10**18, -5, "many"])
def test_an_absurd_figure_is_not_billed_as_the_providers_word(prompt_tokens: object) -> None:
    used = from_openai({"prompt_tokens": prompt_tokens, "completion_tokens": 3})
    source, usage = outcomes.answer_usage(Answer(b"y" * 40, used, "m", None), REQUEST)
    assert (source, usage.clamped) == ("estimated", True)
    assert 0 < usage.tokens.input_tokens <= len(BODY)
    streamed = Progress(usage=used, finished=True, text_bytes=40, chunks=10)
    source, tokens = outcomes.stream_usage(streamed, REQUEST)
    assert source == "estimated"
    assert 0 < tokens.input_tokens <= len(BODY)


def test_a_part_larger_than_its_whole_leaves_the_figure_the_providers() -> None:
    used = from_openai({"prompt_tokens": 5, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 9}})
    source, usage = outcomes.answer_usage(Answer(b"", used, "m", None), REQUEST)
    assert (source, usage.clamped, usage.tokens.input_tokens) == ("provider", True, 9)


def test_what_was_never_sent_costs_nothing() -> None:
    outcome = outcomes.not_sent("client_disconnect")
    assert (outcome.status, outcome.usage_source, outcome.tokens.input_tokens) == ("failed", "none", 0)


def test_a_large_body_is_let_go_of_and_estimated_all_the_same() -> None:
    request = UpstreamRequest("https://provider/v1", {}, b"x" * 400_000)
    request.let_go()
    assert request.body == b""
    outcome = outcomes.cut("client_disconnect", Progress(), request, http_status=200, ttft_us=1)
    assert outcome.tokens.input_tokens == 100_000
