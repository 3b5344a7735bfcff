-- `inserted_ids` only where some were there already, NULL where all are new. `received_at` is a time at which the books
-- were in hand: the transaction may have begun before a month was closed, and have waited for that.
WITH inserted AS (
    INSERT INTO billing.event (
        event_id, started_at, request_id, attempt, is_final, producer, sequence, tenant_id, user_id, key_id,
        plan_id, channel, end_user, agent_id, agent_run_id, agent_parent_run_id, traceparent,
        client_retry_count, endpoint, stream, provider, price_provider, model_requested, model_upstream,
        model_served, service_tier, duration_us, time_to_first_token_us, http_status, status, finish_state,
        usage_source, schema_version, input_tokens, cached_input_tokens, cache_write_5m_tokens,
        cache_write_1h_tokens, input_audio_tokens, output_tokens, reasoning_tokens, output_audio_tokens, received_at
    )
    SELECT
        event_id, started_at, request_id, attempt, is_final, producer, sequence, tenant_id, user_id, key_id,
        plan_id, channel, end_user, agent_id, agent_run_id, agent_parent_run_id, traceparent,
        client_retry_count, endpoint, stream, provider, price_provider, model_requested, model_upstream,
        model_served, service_tier, duration_us, time_to_first_token_us, http_status, status, finish_state,
        usage_source, schema_version, input_tokens, cached_input_tokens, cache_write_5m_tokens,
        cache_write_1h_tokens, input_audio_tokens, output_tokens, reasoning_tokens, output_audio_tokens,
        statement_timestamp()
    FROM unnest($1::billing.event_row[])
    ON CONFLICT DO NOTHING
    RETURNING event_id
)
SELECT
    count(*) AS inserted,
    CASE WHEN count(*) < cardinality($1) THEN coalesce(array_agg(event_id), '{}') END AS inserted_ids
FROM inserted
