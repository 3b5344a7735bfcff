SELECT
    a.event_id, a.request_id, a.attempt, a.is_final,
    to_char(a.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS started_at,
    a.tenant_id, a.user_id, a.key_id, a.plan_id, a.channel, a.end_user, a.agent_id, a.agent_run_id,
    a.agent_parent_run_id, a.client_retry_count, a.endpoint, a.stream, a.provider, a.price_provider,
    a.model_requested, a.model_upstream, a.model_served, a.service_tier, a.http_status, a.status, a.finish_state,
    a.usage_source, a.input_tokens, a.cached_input_tokens, a.cache_write_5m_tokens, a.cache_write_1h_tokens,
    a.input_audio_tokens, a.output_tokens, a.reasoning_tokens, a.output_audio_tokens, a.cost_nano_usd,
    a.price_version, a.charge_nano_usd, a.tariff_version,
    CASE WHEN late.event_id IS NULL THEN 'usage' ELSE 'adjustment' END AS booked_as
FROM billing.attempts AS a
LEFT JOIN billing.late_event AS late ON late.event_id = a.event_id AND late.kind = 'charge'
WHERE (date_trunc('month', a.started_at AT TIME ZONE 'UTC'))::date = $1 AND ($2::text IS NULL OR a.tenant_id = $2)
ORDER BY a.event_id
