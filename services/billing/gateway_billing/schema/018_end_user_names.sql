-- Names of end users beside their pseudonyms. Who does not ask for the name does not pay for the join.

CREATE OR REPLACE VIEW billing.attempts AS
SELECT
    e.event_id, e.request_id, e.attempt, e.is_final, e.producer, e.sequence, e.tenant_id, e.user_id, e.key_id,
    e.plan_id, e.channel, e.end_user, e.agent_id, e.agent_run_id, e.agent_parent_run_id, e.traceparent,
    e.client_retry_count, e.endpoint, e.stream, e.provider, e.price_provider, e.model_requested, e.model_upstream,
    e.model_served, e.service_tier, e.started_at, e.duration_us, e.time_to_first_token_us, e.http_status, e.status,
    e.finish_state, e.usage_source, e.input_tokens, e.cached_input_tokens, e.cache_write_5m_tokens,
    e.cache_write_1h_tokens, e.input_audio_tokens, e.output_tokens, e.reasoning_tokens, e.output_audio_tokens,
    e.schema_version, e.received_at,
    cost.nano_usd AS cost_nano_usd,
    (cost.nano_usd::numeric / 1000000000)::numeric(20, 9) AS cost_usd,
    cost.price_version,
    cost.revision AS cost_revision,
    cost.reason AS cost_reason,
    cost.rated_at,
    charge.nano_usd AS charge_nano_usd,
    (charge.nano_usd::numeric / 1000000000)::numeric(20, 9) AS charge_usd,
    charge.tariff_version,
    charge.revision AS charge_revision,
    charge.reason AS charge_reason,
    charge.rated_at AS charged_at,
    named.end_user_name
FROM billing.event AS e
LEFT JOIN billing.current_rating AS cost ON cost.event_id = e.event_id AND cost.kind = 'cost'
LEFT JOIN billing.current_rating AS charge ON charge.event_id = e.event_id AND charge.kind = 'charge'
LEFT JOIN billing.end_user AS named ON named.tenant_id = e.tenant_id AND named.end_user = e.end_user;

CREATE OR REPLACE VIEW billing.usage AS
SELECT
    tenant_id, request_id, user_id, key_id, plan_id, channel, end_user, agent_id, agent_run_id,
    agent_parent_run_id, traceparent, client_retry_count, endpoint, stream, model_requested,
    max(provider) FILTER (WHERE is_last) AS provider,
    max(price_provider) FILTER (WHERE is_last) AS price_provider,
    max(model_upstream) FILTER (WHERE is_last) AS model_upstream,
    max(model_served) FILTER (WHERE is_last) AS model_served,
    max(service_tier) FILTER (WHERE is_last) AS service_tier,
    max(http_status) FILTER (WHERE is_last) AS http_status,
    max(status) FILTER (WHERE is_last) AS status,
    max(finish_state) FILTER (WHERE is_last) AS finish_state,
    max(usage_source) FILTER (WHERE is_last) AS usage_source,
    max(time_to_first_token_us) FILTER (WHERE is_last) AS time_to_first_token_us,
    count(*)::integer AS attempts,
    min(started_at) AS started_at,
    (extract(epoch FROM max(started_at + duration_us * interval '1 microsecond') - min(started_at)) * 1000000)::bigint
        AS duration_us,
    sum(input_tokens)::bigint AS input_tokens,
    sum(cached_input_tokens)::bigint AS cached_input_tokens,
    sum(cache_write_5m_tokens)::bigint AS cache_write_5m_tokens,
    sum(cache_write_1h_tokens)::bigint AS cache_write_1h_tokens,
    sum(input_audio_tokens)::bigint AS input_audio_tokens,
    sum(output_tokens)::bigint AS output_tokens,
    sum(reasoning_tokens)::bigint AS reasoning_tokens,
    sum(output_audio_tokens)::bigint AS output_audio_tokens,
    (count(*) FILTER (WHERE cost_nano_usd IS NULL))::integer AS unpriced_attempts,
    CASE WHEN bool_and(cost_nano_usd IS NOT NULL) THEN sum(cost_nano_usd)::bigint END AS cost_nano_usd,
    CASE WHEN bool_and(cost_nano_usd IS NOT NULL) THEN (sum(cost_nano_usd) / 1000000000)::numeric(20, 9) END AS cost_usd,
    (count(*) FILTER (WHERE charge_nano_usd IS NULL))::integer AS uncharged_attempts,
    CASE WHEN bool_and(charge_nano_usd IS NOT NULL) THEN sum(charge_nano_usd)::bigint END AS charge_nano_usd,
    CASE WHEN bool_and(charge_nano_usd IS NOT NULL) THEN (sum(charge_nano_usd) / 1000000000)::numeric(20, 9) END
        AS charge_usd,
    max(end_user_name) AS end_user_name
FROM (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY
                tenant_id, request_id, user_id, key_id, plan_id, channel, end_user, agent_id, agent_run_id,
                agent_parent_run_id, traceparent, client_retry_count, endpoint, stream, model_requested
            ORDER BY is_final DESC, attempt DESC, event_id DESC
        ) = 1 AS is_last
    FROM billing.attempts
) AS attempt
GROUP BY
    tenant_id, request_id, user_id, key_id, plan_id, channel, end_user, agent_id, agent_run_id,
    agent_parent_run_id, traceparent, client_retry_count, endpoint, stream, model_requested;

COMMENT ON COLUMN billing.attempts.end_user_name IS 'Whom the pseudonym stands for, where the tenant opted in; NULL when it did not, or when the name was erased.';
COMMENT ON COLUMN billing.usage.end_user_name IS 'Whom the pseudonym stands for, where the tenant opted in; NULL when it did not, or when the name was erased.';

COMMENT ON COLUMN billing.event.end_user IS 'The end user named in the request body, as a pseudonym: an HMAC keyed by tenant; NULL when none was named. (In rows of schema_version 1, the name itself where the tenant had opted in.)';
COMMENT ON COLUMN billing.event_row.end_user IS 'The end user named in the request body, as a pseudonym: an HMAC keyed by tenant; NULL when none was named. (In rows of schema_version 1, the name itself where the tenant had opted in.)';
COMMENT ON COLUMN billing.attempts.end_user IS 'The end user named in the request body, as a pseudonym: an HMAC keyed by tenant; NULL when none was named. (In rows of schema_version 1, the name itself where the tenant had opted in.)';
COMMENT ON COLUMN billing.usage.end_user IS 'The end user named in the request body, as a pseudonym: an HMAC keyed by tenant; NULL when none was named. (In rows of schema_version 1, the name itself where the tenant had opted in.)';
SELECT billing.copy_comments('billing.event', inhrelid::regclass) FROM pg_inherits WHERE inhparent = 'billing.event'::regclass;
