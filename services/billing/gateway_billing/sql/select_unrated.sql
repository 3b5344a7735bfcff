SELECT
    event_id, tenant_id, channel, plan_id, price_provider, model_served, model_upstream, service_tier, started_at, status,
    usage_source, input_tokens, cached_input_tokens, cache_write_5m_tokens, cache_write_1h_tokens, input_audio_tokens,
    output_tokens, reasoning_tokens, output_audio_tokens,
    EXISTS (SELECT FROM billing.rating AS r WHERE r.event_id = e.event_id AND r.kind = 'cost') AS is_priced,
    EXISTS (SELECT FROM billing.rating AS r WHERE r.event_id = e.event_id AND r.kind = 'charge') AS is_charged
FROM billing.unrated
JOIN billing.event AS e USING (event_id)
WHERE event_id > $1
ORDER BY event_id
LIMIT $2
