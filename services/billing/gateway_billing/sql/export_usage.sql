SELECT
    month, tenant_id, channel, plan_id, provider, model, requests, attempts, input_tokens, cached_input_tokens,
    cache_write_5m_tokens, cache_write_1h_tokens, input_audio_tokens, output_tokens, reasoning_tokens,
    output_audio_tokens, tokens, uncharged_attempts, list_nano_usd, list_usd
FROM billing.statement_usage
WHERE month = $1 AND ($2::text IS NULL OR tenant_id = $2)
ORDER BY tenant_id COLLATE "C", channel COLLATE "C", plan_id COLLATE "C", provider COLLATE "C", model COLLATE "C"
