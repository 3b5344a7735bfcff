SELECT bucket_start_s, user_id, key_id, model, service_tier, channel, provider, agent_run_id, requests, attempts,
       input_tokens, cached_input_tokens, cache_write_5m_tokens, cache_write_1h_tokens, input_audio_tokens,
       output_tokens, reasoning_tokens, output_audio_tokens, uncharged_attempts, charge_nano_usd
FROM billing.tenant_usage($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
