-- What the billing team reads, and the contract views of other services. Views run with their owner's rights.

CREATE VIEW billing.attempts AS
SELECT
    e.event_id, e.request_id, e.attempt, e.is_final, e.producer, e.sequence, e.tenant_id, e.user_id, e.key_id,
    e.plan_id, e.channel, e.end_user, e.agent_id, e.agent_run_id, e.agent_parent_run_id, e.traceparent,
    e.client_retry_count, e.endpoint, e.stream, e.provider, e.price_provider, e.model_requested, e.model_upstream,
    e.model_served, e.service_tier, e.started_at, e.duration_us, e.time_to_first_token_us, e.http_status, e.status,
    e.finish_state, e.usage_source, e.input_tokens, e.cached_input_tokens, e.cache_write_5m_tokens,
    e.cache_write_1h_tokens, e.input_audio_tokens, e.output_tokens, e.reasoning_tokens, e.output_audio_tokens,
    e.schema_version, e.received_at,
    r.nano_usd AS cost_nano_usd,
    (r.nano_usd::numeric / 1000000000)::numeric(20, 9) AS cost_usd,
    r.price_version,
    r.revision AS cost_revision,
    r.reason AS cost_reason,
    r.rated_at
FROM billing.event AS e
LEFT JOIN billing.rating AS r
    ON r.event_id = e.event_id
    AND r.kind = 'cost'
    AND NOT EXISTS (
        SELECT FROM billing.rating AS newer
        WHERE newer.event_id = r.event_id AND newer.kind = r.kind AND newer.revision > r.revision
    );

COMMENT ON VIEW billing.attempts IS 'One row for one attempt (one call to one provider) with its newest cost.';
COMMENT ON COLUMN billing.attempts.event_id IS 'Identity of the attempt: a UUIDv7 made by the gateway, whose first 48 bits are Unix milliseconds.';
COMMENT ON COLUMN billing.attempts.request_id IS 'The x-request-id that the client saw; shared by all attempts of one request.';
COMMENT ON COLUMN billing.attempts.attempt IS 'Number of the attempt within its request, from 1.';
COMMENT ON COLUMN billing.attempts.is_final IS 'Whether this attempt gave the client its answer.';
COMMENT ON COLUMN billing.attempts.producer IS 'The router process that wrote the event, <instance>/<boot>.';
COMMENT ON COLUMN billing.attempts.sequence IS 'Number of the event within its producer, from 1 and without a gap.';
COMMENT ON COLUMN billing.attempts.tenant_id IS 'The tenant who pays.';
COMMENT ON COLUMN billing.attempts.user_id IS 'The user of the tenant whom the key belongs to.';
COMMENT ON COLUMN billing.attempts.key_id IS 'Identifier of the API key (never the key).';
COMMENT ON COLUMN billing.attempts.plan_id IS 'The plan of the key at the time of the request.';
COMMENT ON COLUMN billing.attempts.channel IS 'langchain or standard: the kind of key that was used.';
COMMENT ON COLUMN billing.attempts.end_user IS 'The end user named in the request body, as the tenant''s keyed HMAC unless the tenant opted in to plain ids; NULL when none was named.';
COMMENT ON COLUMN billing.attempts.agent_id IS 'The agent named by the client, NULL when none.';
COMMENT ON COLUMN billing.attempts.agent_run_id IS 'The agent''s run named by the client, NULL when none.';
COMMENT ON COLUMN billing.attempts.agent_parent_run_id IS 'The run that started this run, NULL when none was named.';
COMMENT ON COLUMN billing.attempts.traceparent IS 'W3C trace context of the request, NULL when none.';
COMMENT ON COLUMN billing.attempts.client_retry_count IS 'Which retry of the client''s SDK this request was; 0 is its first try.';
COMMENT ON COLUMN billing.attempts.endpoint IS 'The OpenAI path below /v1 with dots, for example chat.completions.';
COMMENT ON COLUMN billing.attempts.stream IS 'Whether the answer was streamed.';
COMMENT ON COLUMN billing.attempts.provider IS 'The provider that was called, by the operator''s name for it.';
COMMENT ON COLUMN billing.attempts.price_provider IS 'The provider whose prices apply; differs from provider for the simulator only.';
COMMENT ON COLUMN billing.attempts.model_requested IS 'The model as the client named it.';
COMMENT ON COLUMN billing.attempts.model_upstream IS 'The model as the provider was asked for it.';
COMMENT ON COLUMN billing.attempts.model_served IS 'The model that the provider says it used, NULL when it did not say.';
COMMENT ON COLUMN billing.attempts.service_tier IS 'The service tier in the provider''s answer, NULL when it did not say.';
COMMENT ON COLUMN billing.attempts.started_at IS 'When the provider was called (UTC, microseconds).';
COMMENT ON COLUMN billing.attempts.duration_us IS 'From the call to the last byte of the answer, microseconds.';
COMMENT ON COLUMN billing.attempts.time_to_first_token_us IS 'From the call to the first output of the model, microseconds; NULL when there was none.';
COMMENT ON COLUMN billing.attempts.http_status IS 'The provider''s HTTP status, 0 when none came.';
COMMENT ON COLUMN billing.attempts.status IS 'settled: the provider finished; partial: it was cut; failed: it refused or was never reached; unknown: the gateway was lost.';
COMMENT ON COLUMN billing.attempts.finish_state IS 'How the attempt ended: complete, client_disconnect, upstream_cut, upstream_error, timeout, not_sent or gateway_lost.';
COMMENT ON COLUMN billing.attempts.usage_source IS 'Whose word the token counts are: provider, drained, estimated, unknown, or none when nothing was used.';
COMMENT ON COLUMN billing.attempts.input_tokens IS 'All input, tokens; cached, cache-write and audio tokens are parts of it.';
COMMENT ON COLUMN billing.attempts.cached_input_tokens IS 'Input read from the provider''s cache, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.attempts.cache_write_5m_tokens IS 'Input written to the provider''s cache for 5 minutes, or for its only lifetime, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.attempts.cache_write_1h_tokens IS 'Input written to the provider''s cache for 1 hour, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.attempts.input_audio_tokens IS 'Audio input, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.attempts.output_tokens IS 'All output, tokens; reasoning and audio tokens are parts of it.';
COMMENT ON COLUMN billing.attempts.reasoning_tokens IS 'Output spent on reasoning, tokens; part of output_tokens.';
COMMENT ON COLUMN billing.attempts.output_audio_tokens IS 'Audio output, tokens; part of output_tokens.';
COMMENT ON COLUMN billing.attempts.schema_version IS 'Version of the usage event''s format.';
COMMENT ON COLUMN billing.attempts.received_at IS 'When the row was inserted (UTC).';
COMMENT ON COLUMN billing.attempts.cost_nano_usd IS 'What the provider asks for the attempt, nano-USD; NULL while it is unpriced.';
COMMENT ON COLUMN billing.attempts.cost_usd IS 'The same in USD, exact to the nano-USD; NULL while it is unpriced.';
COMMENT ON COLUMN billing.attempts.price_version IS 'The price version used (billing.price_version.version_id); NULL when unpriced or when no price was needed.';
COMMENT ON COLUMN billing.attempts.cost_revision IS 'Which rating of the attempt this is, from 1; NULL while it is unpriced.';
COMMENT ON COLUMN billing.attempts.cost_reason IS 'How the cost came about, in words; NULL while it is unpriced.';
COMMENT ON COLUMN billing.attempts.rated_at IS 'When the cost was worked out (UTC); NULL while it is unpriced.';

-- Grouped by everything that is the same for all attempts of a request, so that a condition on any of it reaches
-- the indexes. The last attempt is the final one, or the highest when the gateway was lost before it had one.
CREATE VIEW billing.usage AS
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
    CASE WHEN bool_and(cost_nano_usd IS NOT NULL) THEN (sum(cost_nano_usd) / 1000000000)::numeric(20, 9) END AS cost_usd
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

COMMENT ON VIEW billing.usage IS 'One row for one request of a client: sums over its attempts, status and model of the final one.';
COMMENT ON COLUMN billing.usage.tenant_id IS 'The tenant who pays.';
COMMENT ON COLUMN billing.usage.request_id IS 'The x-request-id that the client saw; shared by all attempts of one request.';
COMMENT ON COLUMN billing.usage.user_id IS 'The user of the tenant whom the key belongs to.';
COMMENT ON COLUMN billing.usage.key_id IS 'Identifier of the API key (never the key).';
COMMENT ON COLUMN billing.usage.plan_id IS 'The plan of the key at the time of the request.';
COMMENT ON COLUMN billing.usage.channel IS 'langchain or standard: the kind of key that was used.';
COMMENT ON COLUMN billing.usage.end_user IS 'The end user named in the request body, as the tenant''s keyed HMAC unless the tenant opted in to plain ids; NULL when none was named.';
COMMENT ON COLUMN billing.usage.agent_id IS 'The agent named by the client, NULL when none.';
COMMENT ON COLUMN billing.usage.agent_run_id IS 'The agent''s run named by the client, NULL when none.';
COMMENT ON COLUMN billing.usage.agent_parent_run_id IS 'The run that started this run, NULL when none was named.';
COMMENT ON COLUMN billing.usage.traceparent IS 'W3C trace context of the request, NULL when none.';
COMMENT ON COLUMN billing.usage.client_retry_count IS 'Which retry of the client''s SDK this request was; 0 is its first try.';
COMMENT ON COLUMN billing.usage.endpoint IS 'The OpenAI path below /v1 with dots, for example chat.completions.';
COMMENT ON COLUMN billing.usage.stream IS 'Whether the answer was streamed.';
COMMENT ON COLUMN billing.usage.model_requested IS 'The model as the client named it.';
COMMENT ON COLUMN billing.usage.provider IS 'Of the final attempt. The provider that was called, by the operator''s name for it.';
COMMENT ON COLUMN billing.usage.price_provider IS 'Of the final attempt. The provider whose prices apply; differs from provider for the simulator only.';
COMMENT ON COLUMN billing.usage.model_upstream IS 'Of the final attempt. The model as the provider was asked for it.';
COMMENT ON COLUMN billing.usage.model_served IS 'Of the final attempt. The model that the provider says it used, NULL when it did not say.';
COMMENT ON COLUMN billing.usage.service_tier IS 'Of the final attempt. The service tier in the provider''s answer, NULL when it did not say.';
COMMENT ON COLUMN billing.usage.http_status IS 'Of the final attempt. The provider''s HTTP status, 0 when none came.';
COMMENT ON COLUMN billing.usage.status IS 'Of the final attempt. settled: the provider finished; partial: it was cut; failed: it refused or was never reached; unknown: the gateway was lost.';
COMMENT ON COLUMN billing.usage.finish_state IS 'Of the final attempt. How the attempt ended: complete, client_disconnect, upstream_cut, upstream_error, timeout, not_sent or gateway_lost.';
COMMENT ON COLUMN billing.usage.usage_source IS 'Of the final attempt. Whose word the token counts are: provider, drained, estimated, unknown, or none when nothing was used.';
COMMENT ON COLUMN billing.usage.time_to_first_token_us IS 'Of the final attempt. From the call to the first output of the model, microseconds; NULL when there was none.';
COMMENT ON COLUMN billing.usage.attempts IS 'How many attempts the request took.';
COMMENT ON COLUMN billing.usage.started_at IS 'When the first attempt started (UTC, microseconds).';
COMMENT ON COLUMN billing.usage.duration_us IS 'From the start of the first attempt to the end of the last, microseconds.';
COMMENT ON COLUMN billing.usage.input_tokens IS 'Sum over the attempts. All input, tokens; cached, cache-write and audio tokens are parts of it.';
COMMENT ON COLUMN billing.usage.cached_input_tokens IS 'Sum over the attempts. Input read from the provider''s cache, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.usage.cache_write_5m_tokens IS 'Sum over the attempts. Input written to the provider''s cache for 5 minutes, or for its only lifetime, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.usage.cache_write_1h_tokens IS 'Sum over the attempts. Input written to the provider''s cache for 1 hour, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.usage.input_audio_tokens IS 'Sum over the attempts. Audio input, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.usage.output_tokens IS 'Sum over the attempts. All output, tokens; reasoning and audio tokens are parts of it.';
COMMENT ON COLUMN billing.usage.reasoning_tokens IS 'Sum over the attempts. Output spent on reasoning, tokens; part of output_tokens.';
COMMENT ON COLUMN billing.usage.output_audio_tokens IS 'Sum over the attempts. Audio output, tokens; part of output_tokens.';
COMMENT ON COLUMN billing.usage.unpriced_attempts IS 'How many attempts have no cost yet.';
COMMENT ON COLUMN billing.usage.cost_nano_usd IS 'What the providers ask for the request, nano-USD; NULL while any attempt is unpriced.';
COMMENT ON COLUMN billing.usage.cost_usd IS 'The same in USD, exact to the nano-USD; NULL while any attempt is unpriced.';

CREATE VIEW billing.usage_daily AS
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
    (count(*) FILTER (WHERE usage_source = 'estimated'))::numeric / count(*) AS share_estimated
FROM billing.attempts
GROUP BY
    (started_at AT TIME ZONE 'UTC')::date,
    tenant_id, user_id, key_id, channel, provider,
    coalesce(model_served, model_upstream);

COMMENT ON VIEW billing.usage_daily IS 'Sums by day (UTC), tenant, user, key, channel, provider and model, over attempts.';
COMMENT ON COLUMN billing.usage_daily.day IS 'The day in UTC on which the attempts started.';
COMMENT ON COLUMN billing.usage_daily.tenant_id IS 'The tenant who pays.';
COMMENT ON COLUMN billing.usage_daily.user_id IS 'The user of the tenant whom the key belongs to.';
COMMENT ON COLUMN billing.usage_daily.key_id IS 'Identifier of the API key (never the key).';
COMMENT ON COLUMN billing.usage_daily.channel IS 'langchain or standard: the kind of key that was used.';
COMMENT ON COLUMN billing.usage_daily.provider IS 'The provider that was called, by the operator''s name for it.';
COMMENT ON COLUMN billing.usage_daily.model IS 'The model that the provider says it used, else the one it was asked for.';
COMMENT ON COLUMN billing.usage_daily.requests IS 'Requests whose final attempt is among these.';
COMMENT ON COLUMN billing.usage_daily.attempts IS 'Attempts: calls to the provider.';
COMMENT ON COLUMN billing.usage_daily.input_tokens IS 'Sum over the attempts. All input, tokens; cached, cache-write and audio tokens are parts of it.';
COMMENT ON COLUMN billing.usage_daily.cached_input_tokens IS 'Sum over the attempts. Input read from the provider''s cache, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.usage_daily.cache_write_5m_tokens IS 'Sum over the attempts. Input written to the provider''s cache for 5 minutes, or for its only lifetime, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.usage_daily.cache_write_1h_tokens IS 'Sum over the attempts. Input written to the provider''s cache for 1 hour, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.usage_daily.input_audio_tokens IS 'Sum over the attempts. Audio input, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.usage_daily.output_tokens IS 'Sum over the attempts. All output, tokens; reasoning and audio tokens are parts of it.';
COMMENT ON COLUMN billing.usage_daily.reasoning_tokens IS 'Sum over the attempts. Output spent on reasoning, tokens; part of output_tokens.';
COMMENT ON COLUMN billing.usage_daily.output_audio_tokens IS 'Sum over the attempts. Audio output, tokens; part of output_tokens.';
COMMENT ON COLUMN billing.usage_daily.unpriced_attempts IS 'Attempts that have no cost yet and are missing in the cost.';
COMMENT ON COLUMN billing.usage_daily.cost_nano_usd IS 'Sum of the costs of the priced attempts, nano-USD; NULL when none is priced.';
COMMENT ON COLUMN billing.usage_daily.cost_usd IS 'The same in USD, exact to the nano-USD; NULL when none is priced.';
COMMENT ON COLUMN billing.usage_daily.share_estimated IS 'Share of the attempts whose tokens the gateway estimated, from 0 to 1.';

CREATE VIEW billing.unpriced AS
SELECT
    e.event_id, e.request_id, e.tenant_id, e.price_provider, e.model_served, e.model_upstream, e.service_tier,
    e.started_at, e.status, e.usage_source, e.input_tokens, e.cached_input_tokens, e.cache_write_5m_tokens,
    e.cache_write_1h_tokens, e.input_audio_tokens, e.output_tokens, e.reasoning_tokens, e.output_audio_tokens,
    e.received_at
FROM billing.event AS e
WHERE NOT EXISTS (SELECT FROM billing.rating AS r WHERE r.event_id = e.event_id AND r.kind = 'cost');

COMMENT ON VIEW billing.unpriced IS 'Attempts without a cost: import a price for their model and they are rated.';
COMMENT ON COLUMN billing.unpriced.event_id IS 'Identity of the attempt: a UUIDv7 made by the gateway, whose first 48 bits are Unix milliseconds.';
COMMENT ON COLUMN billing.unpriced.request_id IS 'The x-request-id that the client saw; shared by all attempts of one request.';
COMMENT ON COLUMN billing.unpriced.tenant_id IS 'The tenant who pays.';
COMMENT ON COLUMN billing.unpriced.price_provider IS 'The provider whose prices apply; differs from provider for the simulator only.';
COMMENT ON COLUMN billing.unpriced.model_served IS 'The model that the provider says it used, NULL when it did not say.';
COMMENT ON COLUMN billing.unpriced.model_upstream IS 'The model as the provider was asked for it.';
COMMENT ON COLUMN billing.unpriced.service_tier IS 'The service tier in the provider''s answer, NULL when it did not say.';
COMMENT ON COLUMN billing.unpriced.started_at IS 'When the provider was called (UTC, microseconds).';
COMMENT ON COLUMN billing.unpriced.status IS 'settled: the provider finished; partial: it was cut; failed: it refused or was never reached; unknown: the gateway was lost.';
COMMENT ON COLUMN billing.unpriced.usage_source IS 'Whose word the token counts are: provider, drained, estimated, unknown, or none when nothing was used.';
COMMENT ON COLUMN billing.unpriced.input_tokens IS 'All input, tokens; cached, cache-write and audio tokens are parts of it.';
COMMENT ON COLUMN billing.unpriced.cached_input_tokens IS 'Input read from the provider''s cache, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.unpriced.cache_write_5m_tokens IS 'Input written to the provider''s cache for 5 minutes, or for its only lifetime, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.unpriced.cache_write_1h_tokens IS 'Input written to the provider''s cache for 1 hour, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.unpriced.input_audio_tokens IS 'Audio input, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.unpriced.output_tokens IS 'All output, tokens; reasoning and audio tokens are parts of it.';
COMMENT ON COLUMN billing.unpriced.reasoning_tokens IS 'Output spent on reasoning, tokens; part of output_tokens.';
COMMENT ON COLUMN billing.unpriced.output_audio_tokens IS 'Audio output, tokens; part of output_tokens.';
COMMENT ON COLUMN billing.unpriced.received_at IS 'When the row was inserted (UTC).';

-- For the router: it may remove a journal segment once the ledger holds its events. What is in quarantine is held too.
CREATE VIEW billing.producer_progress AS
SELECT
    producer,
    coalesce(max(sequence) FILTER (WHERE sequence = position), 0) AS contiguous_sequence,
    max(sequence) AS highest_sequence,
    count(*) AS events_held
FROM (
    SELECT producer, sequence, row_number() OVER (PARTITION BY producer ORDER BY sequence) AS position
    FROM (
        SELECT producer, sequence FROM billing.event
        UNION
        SELECT producer, sequence FROM billing.quarantine WHERE producer IS NOT NULL AND sequence >= 1
    ) AS held
) AS numbered
GROUP BY producer;

COMMENT ON VIEW billing.producer_progress IS 'What the ledger holds of each producer: the contract by which a router removes journal segments.';
COMMENT ON COLUMN billing.producer_progress.producer IS 'The router process that wrote the event, <instance>/<boot>.';
COMMENT ON COLUMN billing.producer_progress.contiguous_sequence IS 'The highest sequence up to which none is missing; 0 when the first is missing.';
COMMENT ON COLUMN billing.producer_progress.highest_sequence IS 'The highest sequence held; above contiguous_sequence when some are missing.';
COMMENT ON COLUMN billing.producer_progress.events_held IS 'How many different sequences are held, in the ledger and in quarantine.';
