"""What providers say was used, as the ledger's token counts. Pure.

In the ledger `input_tokens` and `output_tokens` are wholes and the rest are parts of them
(`gateway_shared.usage_event`). OpenAI counts the same way. Anthropic's `input_tokens` leaves cache
reads and writes out; Gemini's thoughts are outside `candidatesTokenCount`, and its tool-use prompt
outside `promptTokenCount`. Others of OpenAI's wire count as it does, and may only call the cache's share otherwise;
xAI's `reasoning_tokens` are outside `completion_tokens`, which its total shows. What LiteLLM translated says how much
of what was written to a cache lasts an hour.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway_shared.usage_event import TokenCounts

ABSURD_TOKENS = 1_000_000_000
"""More than any provider can have used in one call."""

Json = Mapping[str, object]


@dataclass(slots=True)
class Usage:
    """`clamped`: the provider contradicted itself, or did not say which parts overlap; `tokens` is what can be kept.

    `absurd`: it said something negative, impossibly large, or no number at all; that is nobody's word to bill by.
    """

    tokens: TokenCounts
    clamped: bool = False
    absurd: bool = False


def from_openai(usage: Json) -> Usage:
    """OpenAI's `usage` object of chat completions."""
    count = _Counter()
    prompt, completion = _object(usage, "prompt_tokens_details"), _object(usage, "completion_tokens_details")
    if prompt.get("cached_tokens") is None:  # DeepSeek and Together, at the top
        prompt = {**prompt, "cached_tokens": usage.get("prompt_cache_hit_tokens", usage.get("cached_tokens"))}
    whole, output = count(usage, "prompt_tokens"), count(usage, "completion_tokens")
    reasoning = count(completion, "reasoning_tokens")
    if reasoning and usage.get("total_tokens") == whole + output + reasoning:
        output += reasoning
    written = count(prompt, "cache_write_tokens")
    by_lifetime = _object(prompt, "cache_creation_token_details")
    one_hour = min(count(by_lifetime, "ephemeral_1h_input_tokens"), written)
    return count.usage(
        TokenCounts(
            input_tokens=whole,
            cached_input_tokens=count(prompt, "cached_tokens"),
            cache_write_5m_tokens=written - one_hour,
            cache_write_1h_tokens=one_hour,
            input_audio_tokens=count(prompt, "audio_tokens"),
            output_tokens=output,
            reasoning_tokens=reasoning,
            output_audio_tokens=count(completion, "audio_tokens"),
        )
    )


def from_anthropic(usage: Json) -> Usage:
    """Anthropic's `usage`; of a stream, the one of `message_start` updated with that of `message_delta`."""
    count = _Counter()
    written, read = count(usage, "cache_creation_input_tokens"), count(usage, "cache_read_input_tokens")
    by_lifetime = _object(usage, "cache_creation")
    one_hour = min(count(by_lifetime, "ephemeral_1h_input_tokens"), written)
    return count.usage(
        TokenCounts(
            input_tokens=count(usage, "input_tokens") + written + read,
            cached_input_tokens=read,
            cache_write_5m_tokens=written - one_hour,
            cache_write_1h_tokens=one_hour,
            output_tokens=count(usage, "output_tokens"),
            reasoning_tokens=count(_object(usage, "output_tokens_details"), "thinking_tokens"),
        )
    )


def from_gemini(usage: Json) -> Usage:
    """Gemini's `usageMetadata`."""
    count = _Counter()
    prompt, candidates = count(usage, "promptTokenCount"), count(usage, "candidatesTokenCount")
    thoughts, total = count(usage, "thoughtsTokenCount"), count(usage, "totalTokenCount")
    tool_use = count(usage, "toolUsePromptTokenCount")
    # some models count their thoughts among the candidates; then the total has no room for them
    thoughts_are_extra = total not in (prompt + candidates, prompt + tool_use + candidates)
    # the prompt's audio includes what of it came from the cache, and a token is billed as one or the other
    audio, cached_audio = (
        count.modality(usage, name, "AUDIO") for name in ("promptTokensDetails", "cacheTokensDetails")
    )
    return count.usage(
        TokenCounts(
            input_tokens=prompt + tool_use,
            cached_input_tokens=count(usage, "cachedContentTokenCount"),
            input_audio_tokens=max(0, audio - cached_audio),
            output_tokens=candidates + thoughts if thoughts_are_extra else candidates,
            reasoning_tokens=thoughts,
            output_audio_tokens=count.modality(usage, "candidatesTokensDetails", "AUDIO"),
        )
    )


def to_openai(tokens: TokenCounts) -> dict[str, object]:
    """OpenAI's `usage`, of the same shape on every call: clients sum its fields."""
    return {
        "prompt_tokens": tokens.input_tokens,
        "completion_tokens": tokens.output_tokens,
        "total_tokens": tokens.input_tokens + tokens.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": tokens.cached_input_tokens,
            "audio_tokens": tokens.input_audio_tokens,
            "cache_write_tokens": tokens.cache_write_5m_tokens + tokens.cache_write_1h_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning_tokens,
            "audio_tokens": tokens.output_audio_tokens,
        },
    }


class _Counter:
    """Reads counts that can be trusted, and remembers whether any could not."""

    def __init__(self) -> None:
        self._clamped = False
        self._absurd = False

    def __call__(self, source: Json, name: str) -> int:
        return self._clamp(source.get(name))

    def modality(self, source: Json, name: str, modality: str) -> int:
        details = source.get(name)
        if not isinstance(details, list):
            return 0
        return sum(
            self._clamp(detail.get("tokenCount"))
            for detail in details
            if isinstance(detail, Mapping) and detail.get("modality") == modality
        )

    def usage(self, tokens: TokenCounts) -> Usage:
        """A part is at most its whole, and a token of the input is cached, written or audio; audio is what remains."""
        read_and_written = tokens.cached_input_tokens + tokens.cache_write_5m_tokens + tokens.cache_write_1h_tokens
        if read_and_written > tokens.input_tokens:
            tokens = replace(tokens, input_tokens=read_and_written)
            self._clamped = True
        most_audio = tokens.input_tokens - read_and_written
        if tokens.input_audio_tokens > most_audio or tokens.output_tokens < max(
            tokens.reasoning_tokens, tokens.output_audio_tokens
        ):
            self._clamped = True
            tokens = replace(
                tokens,
                input_audio_tokens=min(tokens.input_audio_tokens, most_audio),
                reasoning_tokens=min(tokens.reasoning_tokens, tokens.output_tokens),
                output_audio_tokens=min(tokens.output_audio_tokens, tokens.output_tokens),
            )
        return Usage(tokens, clamped=self._clamped or self._absurd, absurd=self._absurd)

    def _clamp(self, value: object) -> int:
        if value is None:
            return 0
        if type(value) is int and 0 <= value <= ABSURD_TOKENS:
            return value
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            self._absurd = True
            return 0
        clamped = int(min(max(value, 0), ABSURD_TOKENS))
        self._absurd |= clamped != value
        return clamped


def _object(source: Json, name: str) -> Json:
    value = source.get(name)
    return value if isinstance(value, dict) else {}
