-- What the finance team reads: amounts beside usage, by request, day, agent run; margin; what client retries cost.

-- A month or a day of a view reads that month's blocks, and events are joined to their ratings month by month.
CREATE INDEX event_day_month ON billing.event USING brin (
    ((started_at AT TIME ZONE 'UTC')::date),
    ((date_trunc('month', started_at AT TIME ZONE 'UTC'))::date)
);
CREATE INDEX rating_revised ON billing.rating (event_id, kind, revision) WHERE revision > 1;
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET enable_partitionwise_join = on', current_database());
END
$$;

CREATE VIEW billing.current_rating AS
SELECT r.event_id, r.kind, r.revision, r.tenant_id, r.nano_usd, r.price_version, r.tariff_version, r.reason, r.rated_at
FROM billing.rating AS r
WHERE NOT EXISTS (
    SELECT FROM billing.rating AS newer
    WHERE newer.event_id = r.event_id AND newer.kind = r.kind AND newer.revision > r.revision AND newer.revision > 1
);

COMMENT ON VIEW billing.current_rating IS 'The rating that counts for each event and kind: the one with the highest revision.';
COMMENT ON COLUMN billing.current_rating.event_id IS 'The event that is rated (billing.event).';
COMMENT ON COLUMN billing.current_rating.kind IS 'cost: what the provider asks of us; charge: what we ask of the tenant.';
COMMENT ON COLUMN billing.current_rating.revision IS 'Number of the rating of this event and kind, from 1.';
COMMENT ON COLUMN billing.current_rating.tenant_id IS 'The tenant of the event.';
COMMENT ON COLUMN billing.current_rating.nano_usd IS 'The amount, nano-USD (1 USD = 1,000,000,000).';
COMMENT ON COLUMN billing.current_rating.price_version IS 'The version whose rates were used (billing.price_version.version_id); NULL where the reason says why no price was needed.';
COMMENT ON COLUMN billing.current_rating.tariff_version IS 'The tariff used (billing.tariff_version.version_id), for kind charge; NULL for a cost, and where the reason says why no tariff was needed.';
COMMENT ON COLUMN billing.current_rating.reason IS 'How the amount came about, in words.';
COMMENT ON COLUMN billing.current_rating.rated_at IS 'When the rating was made (UTC).';

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
    charge.rated_at AS charged_at
FROM billing.event AS e
LEFT JOIN billing.current_rating AS cost ON cost.event_id = e.event_id AND cost.kind = 'cost'
LEFT JOIN billing.current_rating AS charge ON charge.event_id = e.event_id AND charge.kind = 'charge';

COMMENT ON VIEW billing.attempts IS 'One row for one attempt (one call to one provider) with its newest cost and charge.';
COMMENT ON COLUMN billing.attempts.charge_nano_usd IS 'What the tenant is asked for the attempt, before volume discounts, nano-USD; NULL while it is uncharged.';
COMMENT ON COLUMN billing.attempts.charge_usd IS 'The same in USD, exact to the nano-USD; NULL while it is uncharged.';
COMMENT ON COLUMN billing.attempts.tariff_version IS 'The tariff used (billing.tariff_version.version_id); NULL when uncharged or when no tariff was needed.';
COMMENT ON COLUMN billing.attempts.charge_revision IS 'Which charge rating of the attempt this is, from 1; NULL while it is uncharged.';
COMMENT ON COLUMN billing.attempts.charge_reason IS 'How the charge came about, in words; NULL while it is uncharged.';
COMMENT ON COLUMN billing.attempts.charged_at IS 'When the charge was worked out (UTC); NULL while it is uncharged.';

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
        AS charge_usd
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

COMMENT ON COLUMN billing.usage.uncharged_attempts IS 'How many attempts have no charge yet.';
COMMENT ON COLUMN billing.usage.charge_nano_usd IS 'What the tenant is asked for the request, before volume discounts, nano-USD; NULL while any attempt is uncharged.';
COMMENT ON COLUMN billing.usage.charge_usd IS 'The same in USD, exact to the nano-USD; NULL while any attempt is uncharged.';

CREATE OR REPLACE VIEW billing.usage_daily AS
SELECT
    (started_at AT TIME ZONE 'UTC')::date AS day,
    tenant_id, user_id, key_id, channel, provider,
    coalesce(model_served, model_upstream) AS model,
    count(*) FILTER (WHERE is_final) AS requests,
    count(*) AS attempts,
    sum(input_tokens)::bigint AS input_tokens,
    sum(cached_input_tokens)::bigint AS cached_input_tokens,
    sum(cache_write_5m_tokens)::bigint AS cache_write_5m_tokens,
    sum(cache_write_1h_tokens)::bigint AS cache_write_1h_tokens,
    sum(input_audio_tokens)::bigint AS input_audio_tokens,
    sum(output_tokens)::bigint AS output_tokens,
    sum(reasoning_tokens)::bigint AS reasoning_tokens,
    sum(output_audio_tokens)::bigint AS output_audio_tokens,
    count(*) FILTER (WHERE cost_nano_usd IS NULL) AS unpriced_attempts,
    sum(cost_nano_usd)::bigint AS cost_nano_usd,
    (sum(cost_nano_usd) / 1000000000)::numeric(20, 9) AS cost_usd,
    (count(*) FILTER (WHERE usage_source = 'estimated'))::numeric / count(*) AS share_estimated,
    plan_id,
    count(*) FILTER (WHERE charge_nano_usd IS NULL) AS uncharged_attempts,
    sum(charge_nano_usd)::bigint AS charge_nano_usd,
    (sum(charge_nano_usd) / 1000000000)::numeric(20, 9) AS charge_usd,
    sum(charge_nano_usd - cost_nano_usd)::bigint AS margin_nano_usd,
    (sum(charge_nano_usd - cost_nano_usd) / 1000000000)::numeric(20, 9) AS margin_usd,
    count(*) FILTER (WHERE usage_source = 'estimated') AS estimated_attempts,
    count(*) FILTER (WHERE usage_source = 'unknown') AS unknown_attempts
FROM billing.attempts
GROUP BY
    (started_at AT TIME ZONE 'UTC')::date,
    tenant_id, user_id, key_id, channel, provider,
    coalesce(model_served, model_upstream), plan_id;

COMMENT ON VIEW billing.usage_daily IS 'Sums by day (UTC), tenant, user, key, plan, channel, provider and model, over attempts.';
COMMENT ON COLUMN billing.usage_daily.plan_id IS 'The plan of the key at the time of the request.';
COMMENT ON COLUMN billing.usage_daily.uncharged_attempts IS 'Attempts that have no charge yet and are missing in the charge.';
COMMENT ON COLUMN billing.usage_daily.charge_nano_usd IS 'Sum of the charges of the charged attempts, before volume discounts, nano-USD; NULL when none is charged.';
COMMENT ON COLUMN billing.usage_daily.charge_usd IS 'The same in USD, exact to the nano-USD; NULL when none is charged.';
COMMENT ON COLUMN billing.usage_daily.margin_nano_usd IS 'Charge minus cost of the attempts that have both, before volume discounts, nano-USD; NULL when none has.';
COMMENT ON COLUMN billing.usage_daily.margin_usd IS 'The same in USD, exact to the nano-USD; NULL when none has both.';
COMMENT ON COLUMN billing.usage_daily.estimated_attempts IS 'Attempts whose tokens the gateway estimated.';
COMMENT ON COLUMN billing.usage_daily.unknown_attempts IS 'Attempts of which nobody knows the tokens (usage_source unknown); they cost 0 here.';

CREATE VIEW billing.usage_by_agent_run AS
SELECT
    tenant_id, agent_run_id,
    max(agent_id) AS agent_id,
    max(agent_parent_run_id) AS agent_parent_run_id,
    min(started_at) AS started_at,
    max(started_at + duration_us * interval '1 microsecond') AS ended_at,
    count(*) FILTER (WHERE is_final) AS requests,
    count(*) AS attempts,
    count(DISTINCT coalesce(model_served, model_upstream)) AS models,
    sum(input_tokens)::bigint AS input_tokens,
    sum(cached_input_tokens)::bigint AS cached_input_tokens,
    sum(cache_write_5m_tokens)::bigint AS cache_write_5m_tokens,
    sum(cache_write_1h_tokens)::bigint AS cache_write_1h_tokens,
    sum(input_audio_tokens)::bigint AS input_audio_tokens,
    sum(output_tokens)::bigint AS output_tokens,
    sum(reasoning_tokens)::bigint AS reasoning_tokens,
    sum(output_audio_tokens)::bigint AS output_audio_tokens,
    count(*) FILTER (WHERE usage_source = 'estimated') AS estimated_attempts,
    count(*) FILTER (WHERE cost_nano_usd IS NULL) AS unpriced_attempts,
    sum(cost_nano_usd)::bigint AS cost_nano_usd,
    (sum(cost_nano_usd) / 1000000000)::numeric(20, 9) AS cost_usd,
    count(*) FILTER (WHERE charge_nano_usd IS NULL) AS uncharged_attempts,
    sum(charge_nano_usd)::bigint AS charge_nano_usd,
    (sum(charge_nano_usd) / 1000000000)::numeric(20, 9) AS charge_usd
FROM billing.attempts
WHERE agent_run_id IS NOT NULL
GROUP BY tenant_id, agent_run_id;

COMMENT ON VIEW billing.usage_by_agent_run IS 'One row for one run of an agent, as the client named it (X-Agent-Run-Id): sums over its attempts.';
COMMENT ON COLUMN billing.usage_by_agent_run.tenant_id IS 'The tenant who pays.';
COMMENT ON COLUMN billing.usage_by_agent_run.agent_run_id IS 'The run.';
COMMENT ON COLUMN billing.usage_by_agent_run.agent_id IS 'The agent, NULL when the client named none; the last by name where it named several.';
COMMENT ON COLUMN billing.usage_by_agent_run.agent_parent_run_id IS 'The run that started this run, NULL when none was named.';
COMMENT ON COLUMN billing.usage_by_agent_run.started_at IS 'When the first attempt started (UTC).';
COMMENT ON COLUMN billing.usage_by_agent_run.ended_at IS 'When the last attempt ended (UTC).';
COMMENT ON COLUMN billing.usage_by_agent_run.requests IS 'Requests whose final attempt is among these.';
COMMENT ON COLUMN billing.usage_by_agent_run.attempts IS 'Attempts: calls to the provider.';
COMMENT ON COLUMN billing.usage_by_agent_run.models IS 'How many different models it used.';
COMMENT ON COLUMN billing.usage_by_agent_run.input_tokens IS 'Sum over the attempts. All input, tokens; cached, cache-write and audio tokens are parts of it.';
COMMENT ON COLUMN billing.usage_by_agent_run.cached_input_tokens IS 'Sum over the attempts. Input read from the provider''s cache, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.usage_by_agent_run.cache_write_5m_tokens IS 'Sum over the attempts. Input written to the provider''s cache for 5 minutes, or for its only lifetime, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.usage_by_agent_run.cache_write_1h_tokens IS 'Sum over the attempts. Input written to the provider''s cache for 1 hour, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.usage_by_agent_run.input_audio_tokens IS 'Sum over the attempts. Audio input, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.usage_by_agent_run.output_tokens IS 'Sum over the attempts. All output, tokens; reasoning and audio tokens are parts of it.';
COMMENT ON COLUMN billing.usage_by_agent_run.reasoning_tokens IS 'Sum over the attempts. Output spent on reasoning, tokens; part of output_tokens.';
COMMENT ON COLUMN billing.usage_by_agent_run.output_audio_tokens IS 'Sum over the attempts. Audio output, tokens; part of output_tokens.';
COMMENT ON COLUMN billing.usage_by_agent_run.estimated_attempts IS 'Attempts whose tokens the gateway estimated.';
COMMENT ON COLUMN billing.usage_by_agent_run.unpriced_attempts IS 'Attempts that have no cost yet and are missing in the cost.';
COMMENT ON COLUMN billing.usage_by_agent_run.cost_nano_usd IS 'Sum of the costs of the priced attempts, nano-USD; NULL when none is priced.';
COMMENT ON COLUMN billing.usage_by_agent_run.cost_usd IS 'The same in USD, exact to the nano-USD; NULL when none is priced.';
COMMENT ON COLUMN billing.usage_by_agent_run.uncharged_attempts IS 'Attempts that have no charge yet and are missing in the charge.';
COMMENT ON COLUMN billing.usage_by_agent_run.charge_nano_usd IS 'Sum of the charges of the charged attempts, before volume discounts, nano-USD; NULL when none is charged.';
COMMENT ON COLUMN billing.usage_by_agent_run.charge_usd IS 'The same in USD, exact to the nano-USD; NULL when none is charged.';

CREATE VIEW billing.margin AS
SELECT
    day, tenant_id, plan_id, channel, provider, model,
    sum(attempts)::bigint AS attempts,
    sum(unpriced_attempts)::bigint AS unpriced_attempts,
    sum(uncharged_attempts)::bigint AS uncharged_attempts,
    sum(cost_nano_usd)::bigint AS cost_nano_usd,
    (sum(cost_nano_usd) / 1000000000)::numeric(20, 9) AS cost_usd,
    sum(charge_nano_usd)::bigint AS charge_nano_usd,
    (sum(charge_nano_usd) / 1000000000)::numeric(20, 9) AS charge_usd,
    sum(margin_nano_usd)::bigint AS margin_nano_usd,
    (sum(margin_nano_usd) / 1000000000)::numeric(20, 9) AS margin_usd
FROM billing.usage_daily
GROUP BY day, tenant_id, plan_id, channel, provider, model;

COMMENT ON VIEW billing.margin IS 'Charge minus cost by day (UTC), tenant, plan, channel, provider and model, by the newest ratings: before volume discounts, and without adjustments of closed months (both are in margin_monthly).';
COMMENT ON COLUMN billing.margin.day IS 'The day in UTC on which the attempts started.';
COMMENT ON COLUMN billing.margin.tenant_id IS 'The tenant who pays.';
COMMENT ON COLUMN billing.margin.plan_id IS 'The plan of the key at the time of the request.';
COMMENT ON COLUMN billing.margin.channel IS 'langchain or standard: the kind of key that was used.';
COMMENT ON COLUMN billing.margin.provider IS 'The provider that was called, by the operator''s name for it.';
COMMENT ON COLUMN billing.margin.model IS 'The model that the provider says it used, else the one it was asked for.';
COMMENT ON COLUMN billing.margin.attempts IS 'Attempts: calls to the provider.';
COMMENT ON COLUMN billing.margin.unpriced_attempts IS 'Attempts that have no cost yet and are missing in the cost.';
COMMENT ON COLUMN billing.margin.uncharged_attempts IS 'Attempts that have no charge yet and are missing in the charge.';
COMMENT ON COLUMN billing.margin.cost_nano_usd IS 'Sum of the costs of the priced attempts, nano-USD; NULL when none is priced.';
COMMENT ON COLUMN billing.margin.cost_usd IS 'The same in USD, exact to the nano-USD; NULL when none is priced.';
COMMENT ON COLUMN billing.margin.charge_nano_usd IS 'Sum of the charges of the charged attempts, before volume discounts, nano-USD; NULL when none is charged.';
COMMENT ON COLUMN billing.margin.charge_usd IS 'The same in USD, exact to the nano-USD; NULL when none is charged.';
COMMENT ON COLUMN billing.margin.margin_nano_usd IS 'Charge minus cost of the attempts that have both, before volume discounts, nano-USD; NULL when none has.';
COMMENT ON COLUMN billing.margin.margin_usd IS 'The same in USD, exact to the nano-USD; NULL when none has both.';

CREATE VIEW billing.client_retries AS
SELECT
    (started_at AT TIME ZONE 'UTC')::date AS day,
    tenant_id, user_id, key_id, channel, provider,
    coalesce(model_served, model_upstream) AS model,
    count(*) FILTER (WHERE is_final) AS requests,
    count(*) AS attempts,
    max(client_retry_count) AS highest_retry_count,
    sum(input_tokens)::bigint AS input_tokens,
    sum(output_tokens)::bigint AS output_tokens,
    count(*) FILTER (WHERE cost_nano_usd IS NULL) AS unpriced_attempts,
    sum(cost_nano_usd)::bigint AS cost_nano_usd,
    (sum(cost_nano_usd) / 1000000000)::numeric(20, 9) AS cost_usd,
    count(*) FILTER (WHERE charge_nano_usd IS NULL) AS uncharged_attempts,
    sum(charge_nano_usd)::bigint AS charge_nano_usd,
    (sum(charge_nano_usd) / 1000000000)::numeric(20, 9) AS charge_usd
FROM billing.attempts
WHERE client_retry_count > 0
GROUP BY
    (started_at AT TIME ZONE 'UTC')::date,
    tenant_id, user_id, key_id, channel, provider,
    coalesce(model_served, model_upstream);

COMMENT ON VIEW billing.client_retries IS 'What requests cost that a client''s SDK sent again by itself (x-stainless-retry-count above 0), by day (UTC).';
COMMENT ON COLUMN billing.client_retries.day IS 'The day in UTC on which the attempts started.';
COMMENT ON COLUMN billing.client_retries.tenant_id IS 'The tenant who pays.';
COMMENT ON COLUMN billing.client_retries.user_id IS 'The user of the tenant whom the key belongs to.';
COMMENT ON COLUMN billing.client_retries.key_id IS 'Identifier of the API key (never the key).';
COMMENT ON COLUMN billing.client_retries.channel IS 'langchain or standard: the kind of key that was used.';
COMMENT ON COLUMN billing.client_retries.provider IS 'The provider that was called, by the operator''s name for it.';
COMMENT ON COLUMN billing.client_retries.model IS 'The model that the provider says it used, else the one it was asked for.';
COMMENT ON COLUMN billing.client_retries.requests IS 'Requests whose final attempt is among these.';
COMMENT ON COLUMN billing.client_retries.attempts IS 'Attempts: calls to the provider.';
COMMENT ON COLUMN billing.client_retries.highest_retry_count IS 'The highest retry among them: how often an SDK sent the same request again.';
COMMENT ON COLUMN billing.client_retries.input_tokens IS 'Sum over the attempts. All input, tokens; cached, cache-write and audio tokens are parts of it.';
COMMENT ON COLUMN billing.client_retries.output_tokens IS 'Sum over the attempts. All output, tokens; reasoning and audio tokens are parts of it.';
COMMENT ON COLUMN billing.client_retries.unpriced_attempts IS 'Attempts that have no cost yet and are missing in the cost.';
COMMENT ON COLUMN billing.client_retries.cost_nano_usd IS 'Sum of the costs of the priced attempts, nano-USD; NULL when none is priced.';
COMMENT ON COLUMN billing.client_retries.cost_usd IS 'The same in USD, exact to the nano-USD; NULL when none is priced.';
COMMENT ON COLUMN billing.client_retries.uncharged_attempts IS 'Attempts that have no charge yet and are missing in the charge.';
COMMENT ON COLUMN billing.client_retries.charge_nano_usd IS 'Sum of the charges of the charged attempts, before volume discounts, nano-USD; NULL when none is charged.';
COMMENT ON COLUMN billing.client_retries.charge_usd IS 'The same in USD, exact to the nano-USD; NULL when none is charged.';

GRANT SELECT ON billing.current_rating, billing.usage_by_agent_run, billing.margin, billing.client_retries
    TO billing, billing_reader;
