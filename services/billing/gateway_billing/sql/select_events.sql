SELECT
    event_id, tenant_id, channel, plan_id, price_provider, model_served, model_upstream, service_tier, started_at, status,
    usage_source, input_tokens, cached_input_tokens, cache_write_5m_tokens, cache_write_1h_tokens, input_audio_tokens,
    output_tokens, reasoning_tokens, output_audio_tokens
FROM billing.event
WHERE started_at >= $1 AND started_at < $2 AND ($3::text IS NULL OR tenant_id = $3)
ORDER BY event_id
