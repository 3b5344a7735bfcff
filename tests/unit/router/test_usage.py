from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_router import estimate, outcomes
from gateway_router.dialects.dialect import Progress, UpstreamRequest
from gateway_router.estimate import text_bytes
from gateway_router.usage import ABSURD_TOKENS, Usage, from_anthropic, from_gemini, from_openai, to_openai
from gateway_shared.usage_event import TokenCounts

REQUEST = UpstreamRequest("https://provider/v1", {}, b"{}")


def test_openai_s_details_are_parts_of_the_whole() -> None:
    said = {
        "prompt_tokens": 2006,
        "completion_tokens": 300,
        "total_tokens": 2306,
        "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 5, "cache_write_tokens": 6},
        "completion_tokens_details": {"reasoning_tokens": 200, "audio_tokens": 7},
    }
    tokens = TokenCounts(2006, 1920, 6, 0, 5, 300, 200, 7)
    assert from_openai(said) == Usage(tokens)
    assert to_openai(tokens) == said


@pytest.mark.parametrize(
    ("said", "cached"),
    [
        ({"prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36}, 64),
        ({"prompt_cache_hit_tokens": 64, "prompt_tokens_details": {"cached_tokens": 60}}, 60),
        ({"prompt_tokens_details": None, "cached_tokens": 7}, 7),
        ({"prompt_tokens_details": {}, "prompt_cache_hit_tokens": None}, 0),
    ],
)
def test_the_cache_s_share_under_the_names_that_others_give_it(said: dict[str, object], cached: int) -> None:
    used = from_openai({"prompt_tokens": 100, "completion_tokens": 1, **said})
    assert used == Usage(TokenCounts(input_tokens=100, cached_input_tokens=cached, output_tokens=1))


@pytest.mark.parametrize(("total", "output"), [(326, 294), (232, 200), (None, 200)])
def test_reasoning_that_the_total_has_beside_the_completion_is_output(total: int | None, output: int) -> None:
    """xAI's accounting, told by the total."""
    said = {"prompt_tokens": 32, "completion_tokens": 200, "completion_tokens_details": {"reasoning_tokens": 94}}
    usage = from_openai({**said, "total_tokens": total})
    assert (usage.tokens.output_tokens, usage.tokens.reasoning_tokens, usage.clamped) == (output, 94, False)


def test_what_litellm_says_of_a_cache_that_lasts_an_hour_is_kept() -> None:
    details = {"cache_write_tokens": 1500, "cache_creation_token_details": {"ephemeral_1h_input_tokens": 1000}}
    tokens = from_openai({"prompt_tokens": 2000, "completion_tokens": 1, "prompt_tokens_details": details}).tokens
    assert (tokens.cache_write_5m_tokens, tokens.cache_write_1h_tokens) == (500, 1000)


@pytest.mark.parametrize(("audio", "kept", "clamped"), [(500, 100, True), (100, 100, False)])
def test_audio_that_must_have_come_from_the_cache_is_cached(audio: int, kept: int, clamped: bool) -> None:
    """Or the parts would be more than the whole, and the event without a price for good."""
    details = {"cached_tokens": 900, "audio_tokens": audio}
    usage = from_openai({"prompt_tokens": 1000, "completion_tokens": 1, "prompt_tokens_details": details})
    assert usage == Usage(TokenCounts(1000, 900, 0, 0, kept, 1, 0, 0), clamped=clamped)


def test_anthropic_s_input_leaves_out_the_cache_and_the_ledger_s_does_not() -> None:
    said = {
        "input_tokens": 10,
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": 3000,
        "cache_creation": {"ephemeral_5m_input_tokens": 2500, "ephemeral_1h_input_tokens": 500},
        "output_tokens": 300,
        "output_tokens_details": {"thinking_tokens": 100},
    }
    assert from_anthropic(said) == Usage(TokenCounts(4010, 1000, 2500, 500, 0, 300, 100, 0))


def test_anthropic_s_writes_of_no_told_lifetime_last_five_minutes() -> None:
    said = {"input_tokens": 1, "cache_creation_input_tokens": 20, "cache_creation": None, "output_tokens": 1}
    assert from_anthropic(said).tokens.cache_write_5m_tokens == 20


@pytest.mark.parametrize(
    ("said", "output"),
    [
        ({"promptTokenCount": 9, "candidatesTokenCount": 15, "thoughtsTokenCount": 32, "totalTokenCount": 56}, 47),
        ({"promptTokenCount": 9, "candidatesTokenCount": 47, "thoughtsTokenCount": 32, "totalTokenCount": 56}, 47),
        ({"promptTokenCount": 9, "candidatesTokenCount": 15, "totalTokenCount": 24}, 15),
        ({"promptTokenCount": 9, "totalTokenCount": 9}, 0),
        (
            {
                "promptTokenCount": 9,
                "toolUsePromptTokenCount": 5,
                "candidatesTokenCount": 47,
                "thoughtsTokenCount": 32,
                "totalTokenCount": 61,
            },
            47,
        ),
    ],
)
def test_gemini_s_thoughts_are_output_once(said: dict[str, int], output: int) -> None:
    assert from_gemini(said).tokens.output_tokens == output


def test_audio_that_gemini_read_from_its_cache_is_cached_and_no_audio_beside_it() -> None:
    said = {
        "promptTokenCount": 1000,
        "cachedContentTokenCount": 400,
        "candidatesTokenCount": 50,
        "totalTokenCount": 1050,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 500}, {"modality": "AUDIO", "tokenCount": 500}],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 400}],
    }
    assert from_gemini(said) == Usage(TokenCounts(1000, 400, 0, 0, 100, 50, 0, 0))


def test_gemini_s_parts() -> None:
    said = {
        "promptTokenCount": 100,
        "toolUsePromptTokenCount": 11,
        "cachedContentTokenCount": 60,
        "candidatesTokenCount": 5,
        "totalTokenCount": 116,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 70}, {"modality": "AUDIO", "tokenCount": 30}],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 4}],
    }
    assert from_gemini(said) == Usage(TokenCounts(111, 60, 0, 0, 30, 5, 0, 4))


@pytest.mark.parametrize("absurd", [-5, 10**12, 1e300, float("inf"), float("nan"), "12", True, [1], 1.5])
def test_what_cannot_be_is_clamped_and_flagged(absurd: object) -> None:
    usage = from_openai({"prompt_tokens": absurd, "completion_tokens": 3})
    assert usage.clamped
    assert 0 <= usage.tokens.input_tokens <= ABSURD_TOKENS
    assert usage.tokens.output_tokens == 3


def test_a_part_is_never_more_than_its_whole() -> None:
    usage = from_openai(
        {"prompt_tokens": 5, "completion_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 9}}
    )
    assert (usage.tokens.reasoning_tokens, usage.clamped) == (3, True)
    cached = from_openai({"prompt_tokens": 5, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 9}})
    assert (cached.tokens.input_tokens, cached.clamped) == (9, True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    """
    prompt_tokens completion_tokens prompt_tokens_details input_tokens output_tokens cached_tokens cache_creation
    cache_creation_input_tokens promptTokenCount thoughtsTokenCount promptTokensDetails
    """.split()  # noqa: SIM905 - one a line would be half a page
)


@given(st.dictionaries(FIELDS, JSON))
def test_no_usage_however_hostile_gives_counts_that_the_ledger_refuses(said: dict[str, Any]) -> None:
    for read in (from_openai, from_anthropic, from_gemini):
        tokens = read(said).tokens
        parts_of_input = tokens.cached_input_tokens + tokens.cache_write_5m_tokens + tokens.cache_write_1h_tokens
        assert 0 <= parts_of_input <= tokens.input_tokens <= 4 * ABSURD_TOKENS
        assert 0 <= tokens.reasoning_tokens <= tokens.output_tokens <= 4 * ABSURD_TOKENS


def test_an_estimate_counts_what_is_answered_in_bytes_as_what_is_asked() -> None:
    assert (text_bytes("abc"), text_bytes("\u4f60\u597d"), text_bytes("")) == (3, 6, 0)


def test_an_estimate_counts_a_medium_by_the_piece() -> None:
    image = b'{"url":"data:image/png;base64,' + b"A" * 400_000 + b'"}'
    assert estimate.input_tokens(b'{"text":"' + b"word " * 80 + b'"}') == pytest.approx(100, abs=5)
    assert estimate.input_tokens(image) < 1_000


def test_a_cut_stream_keeps_what_the_provider_said_and_estimates_the_rest() -> None:
    started = Progress(usage=Usage(TokenCounts(input_tokens=25, output_tokens=1)), text_bytes=400, chunks=10)
    outcome = outcomes.cut("upstream_cut", started, REQUEST, http_status=200, ttft_us=1)
    assert (outcome.usage_source, outcome.tokens) == ("estimated", TokenCounts(input_tokens=25, output_tokens=100))
    finished = Progress(usage=Usage(TokenCounts(25, output_tokens=40)), finished=True, text_bytes=400, chunks=10)
    outcome = outcomes.cut("client_disconnect", finished, REQUEST, http_status=200, ttft_us=1)
    assert (outcome.usage_source, outcome.tokens.output_tokens, outcome.status) == ("provider", 40, "partial")
