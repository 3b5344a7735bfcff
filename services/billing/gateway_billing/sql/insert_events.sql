INSERT INTO billing.event (
    event_id, started_at, request_id, attempt, is_final, producer, sequence, tenant_id, user_id, key_id, plan_id,
    channel, end_user, agent_id, agent_run_id, agent_parent_run_id, traceparent, client_retry_count, endpoint,
    stream, provider, price_provider, model_requested, model_upstream, model_served, service_tier, duration_us,
    time_to_first_token_us, http_status, status, finish_state, usage_source, schema_version, input_tokens,
    cached_input_tokens, cache_write_5m_tokens, cache_write_1h_tokens, input_audio_tokens, output_tokens,
    reasoning_tokens, output_audio_tokens
)
SELECT
    event_id, started_at, request_id, attempt, is_final, producer, sequence, tenant_id, user_id, key_id, plan_id,
    channel, end_user, agent_id, agent_run_id, agent_parent_run_id, traceparent, client_retry_count, endpoint,
    stream, provider, price_provider, model_requested, model_upstream, model_served, service_tier, duration_us,
    time_to_first_token_us, http_status, status, finish_state, usage_source, schema_version, input_tokens,
    cached_input_tokens, cache_write_5m_tokens, cache_write_1h_tokens, input_audio_tokens, output_tokens,
    reasoning_tokens, output_audio_tokens
FROM unnest(
    $1::uuid[], $2::timestamptz[], $3::text[], $4::integer[], $5::boolean[], $6::text[], $7::bigint[], $8::text[],
    $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[],
    $17::text[], $18::integer[], $19::text[], $20::boolean[], $21::text[], $22::text[], $23::text[], $24::text[],
    $25::text[], $26::text[], $27::bigint[], $28::bigint[], $29::integer[], $30::text[], $31::text[], $32::text[],
    $33::smallint[], $34::bigint[], $35::bigint[], $36::bigint[], $37::bigint[], $38::bigint[], $39::bigint[],
    $40::bigint[], $41::bigint[]
) AS event (
    event_id, started_at, request_id, attempt, is_final, producer, sequence, tenant_id, user_id, key_id, plan_id,
    channel, end_user, agent_id, agent_run_id, agent_parent_run_id, traceparent, client_retry_count, endpoint,
    stream, provider, price_provider, model_requested, model_upstream, model_served, service_tier, duration_us,
    time_to_first_token_us, http_status, status, finish_state, usage_source, schema_version, input_tokens,
    cached_input_tokens, cache_write_5m_tokens, cache_write_1h_tokens, input_audio_tokens, output_tokens,
    reasoning_tokens, output_audio_tokens
)
ON CONFLICT DO NOTHING
RETURNING event_id
