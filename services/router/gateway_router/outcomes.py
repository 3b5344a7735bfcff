"""How an attempt that was cut short, or never got an answer, goes into the ledger. Pure."""

from dataclasses import replace

from gateway_router import estimate
from gateway_router.attempt import Outcome
from gateway_router.dialects.dialect import Answer, Progress, UpstreamRequest
from gateway_router.usage import Usage
from gateway_shared.usage_event import FinishState, TokenCounts, UsageSource

NOT_SENT = Outcome("failed", "not_sent", "none")


def not_sent(finish_state: FinishState) -> Outcome:
    """Ended before the provider was reached, for a reason of the client's or of ours: nothing was used."""
    return Outcome("failed", finish_state, "none")


def refused(http_status: int) -> Outcome:
    """The provider answered with an error: nothing was used."""
    return Outcome("failed", "upstream_error", "none", http_status=http_status)


def unusable(http_status: int) -> Outcome:
    """The provider answered 200 with something that is no answer: what it used is not known."""
    return Outcome("failed", "upstream_error", "unknown", http_status=http_status)


def not_streamed(answer: Answer, request: UpstreamRequest, http_status: int) -> Outcome:
    """A whole answer where a stream was asked for: what it used is known where it says so."""
    source, usage = answer_usage(answer, request)
    if source != "provider":
        return unusable(http_status)
    served, tier = answer.model_served, answer.service_tier
    return Outcome("failed", "upstream_error", source, usage.tokens, http_status, served, tier)


def not_held(http_status: int) -> Outcome:
    """The provider answered, and there was no memory for it here: what it used is not known."""
    return Outcome("failed", "gateway_lost", "unknown", http_status=http_status)


def without_answer(finish_state: FinishState, request: UpstreamRequest) -> Outcome:
    """Sent, and nothing came back. A provider that broke off charges nothing that is known; one that was left may."""
    if finish_state in ("upstream_cut", "upstream_error"):
        return Outcome("failed", finish_state, "unknown")
    return Outcome("partial", finish_state, "estimated", TokenCounts(input_tokens=request.estimated_input_tokens()))


def cut(
    finish_state: FinishState, progress: Progress, request: UpstreamRequest, *, http_status: int, ttft_us: int | None
) -> Outcome:
    """A stream that did not come to its end, with the provider's figure where it had come already."""
    source, tokens = stream_usage(progress, request)
    return Outcome(
        "partial",
        finish_state,
        source,
        tokens,
        http_status,
        progress.model_served,
        progress.service_tier,
        ttft_us,
    )


def stream_usage(progress: Progress, request: UpstreamRequest) -> tuple[UsageSource, TokenCounts]:
    """The provider's figure when the stream has finished with one, else an estimate that keeps what is known."""
    used = progress.usage
    if used is not None and used.absurd:
        used = None  # a figure that cannot be true is nobody's word
    if progress.finished and used is not None:
        return "provider", used.tokens
    known = used.tokens if used is not None else None
    output_tokens = estimate.output_tokens(text_bytes=progress.text_bytes, chunks=progress.chunks)
    if known is None:
        return "estimated", TokenCounts(input_tokens=request.estimated_input_tokens(), output_tokens=output_tokens)
    return "estimated", replace(known, output_tokens=max(known.output_tokens, output_tokens))


def answer_usage(answer: Answer, request: UpstreamRequest) -> tuple[UsageSource, Usage]:
    """Of a whole answer; without usage, or with one that cannot be true, it is estimated from its length."""
    is_absurd = answer.usage is not None and answer.usage.absurd
    if answer.usage is not None and not is_absurd:
        return "provider", answer.usage
    tokens = TokenCounts(
        input_tokens=request.estimated_input_tokens(),
        output_tokens=estimate.output_tokens(text_bytes=len(answer.body), chunks=0),
    )
    return "estimated", Usage(tokens, clamped=is_absurd, absurd=is_absurd)
