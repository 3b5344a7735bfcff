"""A second witness for costs: LiteLLM's calculator on the cases worked out by hand, where it knows the model."""

import gateway_router.dialects.litellm_names as _litellm_offline  # isort: skip  # noqa: F401 - sets it up before its import

import pytest
from litellm.litellm_core_utils.llm_cost_calc.utils import generic_cost_per_token
from litellm.types.utils import (
    CacheCreationTokenDetails,
    CompletionTokensDetailsWrapper,
    PromptTokensDetailsWrapper,
    Usage,
)

from tests.unit.billing.cost_cases import CostCase, cases, list_prices

PROVIDERS = {price.model: price.provider for price in list_prices()}
DISAGREES = {
    ("claude-haiku-4-5", "batch"),  # it names the tier "batches", and takes the standard rate for any other name
    ("gpt-5", "fast"),  # the same: it takes the standard rate
    ("gemini-2.5-flash", "priority"),  # it bills the audio at the standard rate, Google's list says 1.80
    ("claude-opus-4-1-20250805", "standard"),  # retired, and free by its map
}
UNKNOWN = {"claude-3-5-haiku-20241022"}
WITNESSED = [
    case
    for case in cases()
    if not case.model.startswith("Llama") and case.model not in UNKNOWN and (case.model, case.tier) not in DISAGREES
]


def usage_of(case: CostCase) -> Usage:
    tokens = case.tokens
    return Usage(
        prompt_tokens=tokens.input_tokens,
        completion_tokens=tokens.output_tokens,
        total_tokens=tokens.input_tokens + tokens.output_tokens,
        prompt_tokens_details=PromptTokensDetailsWrapper(
            cached_tokens=tokens.cached_input_tokens,
            audio_tokens=tokens.input_audio_tokens,
            cache_creation_tokens=tokens.cache_write_5m_tokens + tokens.cache_write_1h_tokens,
            cache_creation_token_details=CacheCreationTokenDetails(
                ephemeral_5m_input_tokens=tokens.cache_write_5m_tokens,
                ephemeral_1h_input_tokens=tokens.cache_write_1h_tokens,
            ),
        ),
        completion_tokens_details=CompletionTokensDetailsWrapper(
            reasoning_tokens=tokens.reasoning_tokens, audio_tokens=tokens.output_audio_tokens
        ),
        cache_creation_input_tokens=tokens.cache_write_5m_tokens + tokens.cache_write_1h_tokens,
        cache_read_input_tokens=tokens.cached_input_tokens,
    )


def test_the_witness_is_asked_on_most_cases() -> None:
    assert len(WITNESSED) >= 40


@pytest.mark.parametrize("case", WITNESSED, ids=lambda case: f"{case.model} {case.tier} {case.nano_usd}")
def test_litellm_s_calculator_finds_the_same_before_rounding(case: CostCase) -> None:
    provider = PROVIDERS[case.model]
    prompt_usd, completion_usd = generic_cost_per_token(
        model=case.model,
        usage=usage_of(case),
        custom_llm_provider="gemini" if provider == "google" else provider,
        service_tier=case.tier,
    )
    assert (prompt_usd + completion_usd) * 1e9 == pytest.approx(float(case.steps[0]) * 1000, rel=1e-12)
