SELECT
    event_id, tenant_id, price_provider, model_served, model_upstream, service_tier, started_at, usage_source,
    input_tokens, cached_input_tokens, cache_write_5m_tokens, cache_write_1h_tokens, input_audio_tokens,
    output_tokens, reasoning_tokens, output_audio_tokens
FROM billing.unpriced
WHERE event_id > $1
ORDER BY event_id
LIMIT $2
