"""What is told of an attempt that has ended: its metrics, and one canonical line without text of client or provider."""

from gateway_router import metrics
from gateway_router.exchange import Exchange
from gateway_shared import canonical_log
from gateway_shared.labelled import labelled


def report(exchange: Exchange) -> None:
    """Once, of an attempt that is settled."""
    attempt, outcome, duration_s = exchange.record.attempt, exchange.record.outcome, exchange.record.duration_s
    provider = attempt.route.provider.name
    labelled(metrics.CALLS, provider, status_class(outcome.http_status)).inc()
    labelled(metrics.ENDED, provider, outcome.finish_state).inc()
    labelled(metrics.DURATION, provider).observe(duration_s)
    if outcome.time_to_first_token_us is not None:
        labelled(metrics.TIME_TO_FIRST_TOKEN, provider).observe(outcome.time_to_first_token_us / 1e6)
    if outcome.usage_source in ("estimated", "unknown"):
        labelled(metrics.NOT_FROM_PROVIDER, provider, outcome.usage_source).inc()
    if exchange.usage_clamped:
        labelled(metrics.USAGE_CLAMPED, provider).inc()
    canonical_log.info(
        "call",
        request_id=attempt.head.request_id,
        event_id=attempt.event_id,
        traceparent=attempt.head.traceparent,
        tenant_id=attempt.head.caller.tenant_id,
        key_id=attempt.head.caller.key_id,
        endpoint=attempt.head.endpoint,
        stream=attempt.head.stream,
        attempt=attempt.number,
        is_final=attempt.is_final,
        provider=provider,
        model_requested=attempt.head.model,
        model_served=outcome.model_served,
        http_status=outcome.http_status,
        status=outcome.status,
        finish_state=outcome.finish_state,
        error_code=exchange.error_code,
        usage_source=outcome.usage_source,
        usage_clamped=exchange.usage_clamped,
        input_tokens=outcome.tokens.input_tokens,
        output_tokens=outcome.tokens.output_tokens,
        duration_ms=round(duration_s * 1000, 3),
        time_to_first_token_ms=None
        if outcome.time_to_first_token_us is None
        else outcome.time_to_first_token_us / 1000,
    )


def status_class(http_status: int) -> str:
    """`2xx` and so on, `none` when the provider did not answer."""
    return f"{http_status // 100}xx" if 100 <= http_status < 600 else "none"
