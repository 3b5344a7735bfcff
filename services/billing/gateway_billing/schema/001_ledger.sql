-- The ledger: facts, their ratings, and what could not be read. Nothing here is ever updated.

COMMENT ON SCHEMA billing IS 'The ledger of the gateway: usage facts, prices, ratings, and the views to read them by.';
COMMENT ON TABLE billing.migration IS 'Which schema files were applied, and with which text.';
COMMENT ON COLUMN billing.migration.file_name IS 'Name of the schema file.';
COMMENT ON COLUMN billing.migration.sha256 IS 'SHA-256 of the file''s text, hexadecimal.';
COMMENT ON COLUMN billing.migration.applied_at IS 'When it was applied (UTC).';

CREATE TABLE billing.event (
    event_id uuid NOT NULL,
    request_id text NOT NULL,
    attempt integer NOT NULL CHECK (attempt >= 1),
    is_final boolean NOT NULL,
    producer text NOT NULL,
    sequence bigint NOT NULL CHECK (sequence >= 1),
    tenant_id text NOT NULL,
    user_id text NOT NULL,
    key_id text NOT NULL,
    plan_id text NOT NULL,
    channel text NOT NULL,
    end_user text,
    agent_id text,
    agent_run_id text,
    agent_parent_run_id text,
    traceparent text,
    client_retry_count integer NOT NULL,
    endpoint text NOT NULL,
    stream boolean NOT NULL,
    provider text NOT NULL,
    price_provider text NOT NULL,
    model_requested text NOT NULL,
    model_upstream text NOT NULL,
    model_served text,
    service_tier text,
    started_at timestamptz NOT NULL,
    duration_us bigint NOT NULL CHECK (duration_us >= 0),
    time_to_first_token_us bigint CHECK (time_to_first_token_us >= 0),
    http_status integer NOT NULL,
    status text NOT NULL,
    finish_state text NOT NULL,
    usage_source text NOT NULL,
    input_tokens bigint NOT NULL CHECK (input_tokens >= 0),
    cached_input_tokens bigint NOT NULL CHECK (cached_input_tokens >= 0),
    cache_write_5m_tokens bigint NOT NULL CHECK (cache_write_5m_tokens >= 0),
    cache_write_1h_tokens bigint NOT NULL CHECK (cache_write_1h_tokens >= 0),
    input_audio_tokens bigint NOT NULL CHECK (input_audio_tokens >= 0),
    output_tokens bigint NOT NULL CHECK (output_tokens >= 0),
    reasoning_tokens bigint NOT NULL CHECK (reasoning_tokens >= 0),
    output_audio_tokens bigint NOT NULL CHECK (output_audio_tokens >= 0),
    schema_version smallint NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_id)
) PARTITION BY RANGE (event_id);

CREATE INDEX event_request ON billing.event (request_id);
CREATE INDEX event_producer_sequence ON billing.event (producer, sequence);
CREATE INDEX event_agent_run ON billing.event (agent_run_id) WHERE agent_run_id IS NOT NULL;
CREATE INDEX event_tenant_day ON billing.event (tenant_id, ((started_at AT TIME ZONE 'UTC')::date));

COMMENT ON TABLE billing.event IS 'Facts, insert-only: one row for one attempt, which is one call to one provider. Partitioned by month through the time inside event_id (UUIDv7).';
COMMENT ON COLUMN billing.event.event_id IS 'Identity of the attempt: a UUIDv7 made by the gateway, whose first 48 bits are Unix milliseconds.';
COMMENT ON COLUMN billing.event.request_id IS 'The x-request-id that the client saw; shared by all attempts of one request.';
COMMENT ON COLUMN billing.event.attempt IS 'Number of the attempt within its request, from 1.';
COMMENT ON COLUMN billing.event.is_final IS 'Whether this attempt gave the client its answer.';
COMMENT ON COLUMN billing.event.producer IS 'The router process that wrote the event, <instance>/<boot>.';
COMMENT ON COLUMN billing.event.sequence IS 'Number of the event within its producer, from 1 and without a gap.';
COMMENT ON COLUMN billing.event.tenant_id IS 'The tenant who pays.';
COMMENT ON COLUMN billing.event.user_id IS 'The user of the tenant whom the key belongs to.';
COMMENT ON COLUMN billing.event.key_id IS 'Identifier of the API key (never the key).';
COMMENT ON COLUMN billing.event.plan_id IS 'The plan of the key at the time of the request.';
COMMENT ON COLUMN billing.event.channel IS 'langchain or standard: the kind of key that was used.';
COMMENT ON COLUMN billing.event.end_user IS 'The end user named in the request body, as the tenant''s keyed HMAC unless the tenant opted in to plain ids; NULL when none was named.';
COMMENT ON COLUMN billing.event.agent_id IS 'The agent named by the client, NULL when none.';
COMMENT ON COLUMN billing.event.agent_run_id IS 'The agent''s run named by the client, NULL when none.';
COMMENT ON COLUMN billing.event.agent_parent_run_id IS 'The run that started this run, NULL when none was named.';
COMMENT ON COLUMN billing.event.traceparent IS 'W3C trace context of the request, NULL when none.';
COMMENT ON COLUMN billing.event.client_retry_count IS 'Which retry of the client''s SDK this request was; 0 is its first try.';
COMMENT ON COLUMN billing.event.endpoint IS 'The OpenAI path below /v1 with dots, for example chat.completions.';
COMMENT ON COLUMN billing.event.stream IS 'Whether the answer was streamed.';
COMMENT ON COLUMN billing.event.provider IS 'The provider that was called, by the operator''s name for it.';
COMMENT ON COLUMN billing.event.price_provider IS 'The provider whose prices apply; differs from provider for the simulator only.';
COMMENT ON COLUMN billing.event.model_requested IS 'The model as the client named it.';
COMMENT ON COLUMN billing.event.model_upstream IS 'The model as the provider was asked for it.';
COMMENT ON COLUMN billing.event.model_served IS 'The model that the provider says it used, NULL when it did not say.';
COMMENT ON COLUMN billing.event.service_tier IS 'The service tier in the provider''s answer, NULL when it did not say.';
COMMENT ON COLUMN billing.event.started_at IS 'When the provider was called (UTC, microseconds).';
COMMENT ON COLUMN billing.event.duration_us IS 'From the call to the last byte of the answer, microseconds.';
COMMENT ON COLUMN billing.event.time_to_first_token_us IS 'From the call to the first output of the model, microseconds; NULL when there was none.';
COMMENT ON COLUMN billing.event.http_status IS 'The provider''s HTTP status, 0 when none came.';
COMMENT ON COLUMN billing.event.status IS 'settled: the provider finished; partial: it was cut; failed: it refused or was never reached; unknown: the gateway was lost.';
COMMENT ON COLUMN billing.event.finish_state IS 'How the attempt ended: complete, client_disconnect, upstream_cut, upstream_error, timeout, not_sent or gateway_lost.';
COMMENT ON COLUMN billing.event.usage_source IS 'Whose word the token counts are: provider, drained, estimated, unknown, or none when nothing was used.';
COMMENT ON COLUMN billing.event.input_tokens IS 'All input, tokens; cached, cache-write and audio tokens are parts of it.';
COMMENT ON COLUMN billing.event.cached_input_tokens IS 'Input read from the provider''s cache, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.event.cache_write_5m_tokens IS 'Input written to the provider''s cache for 5 minutes, or for its only lifetime, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.event.cache_write_1h_tokens IS 'Input written to the provider''s cache for 1 hour, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.event.input_audio_tokens IS 'Audio input, tokens; part of input_tokens.';
COMMENT ON COLUMN billing.event.output_tokens IS 'All output, tokens; reasoning and audio tokens are parts of it.';
COMMENT ON COLUMN billing.event.reasoning_tokens IS 'Output spent on reasoning, tokens; part of output_tokens.';
COMMENT ON COLUMN billing.event.output_audio_tokens IS 'Audio output, tokens; part of output_tokens.';
COMMENT ON COLUMN billing.event.schema_version IS 'Version of the usage event''s format.';
COMMENT ON COLUMN billing.event.received_at IS 'When the row was inserted (UTC).';

CREATE TABLE billing.rating (
    event_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('cost', 'charge')),
    revision integer NOT NULL CHECK (revision >= 1),
    tenant_id text NOT NULL,
    price_version bigint,
    nano_usd bigint NOT NULL CHECK (nano_usd >= 0),
    reason text NOT NULL,
    rated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_id, kind, revision)
) PARTITION BY RANGE (event_id);

COMMENT ON TABLE billing.rating IS 'What an event costs, insert-only: a new rating is a new revision, the highest counts. An event without a rating is unpriced.';
COMMENT ON COLUMN billing.rating.event_id IS 'The event that is rated (billing.event).';
COMMENT ON COLUMN billing.rating.kind IS 'cost: what the provider asks of us; charge: what we ask of the tenant.';
COMMENT ON COLUMN billing.rating.revision IS 'Number of the rating of this event and kind, from 1; the highest counts.';
COMMENT ON COLUMN billing.rating.tenant_id IS 'The tenant of the event.';
COMMENT ON COLUMN billing.rating.price_version IS 'The version whose rates were used (billing.price_version.version_id); NULL where the reason says why no price was needed.';
COMMENT ON COLUMN billing.rating.nano_usd IS 'The amount, nano-USD (1 USD = 1,000,000,000).';
COMMENT ON COLUMN billing.rating.reason IS 'How the amount came about, in words.';
COMMENT ON COLUMN billing.rating.rated_at IS 'When the rating was made (UTC).';

CREATE TABLE billing.quarantine (
    raw_sha256 text PRIMARY KEY,
    raw bytea NOT NULL,
    error text NOT NULL,
    tenant_id text,
    producer text,
    sequence bigint,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX quarantine_producer_sequence ON billing.quarantine (producer, sequence);

COMMENT ON TABLE billing.quarantine IS 'Events that could not be read or stored, kept as they came, insert-only; they hold counts and ids, never a prompt.';
COMMENT ON COLUMN billing.quarantine.raw_sha256 IS 'SHA-256 of the raw bytes, hexadecimal: a redelivery adds no row.';
COMMENT ON COLUMN billing.quarantine.raw IS 'The bytes of the one event as the broker delivered them.';
COMMENT ON COLUMN billing.quarantine.error IS 'Why it could not be read or stored.';
COMMENT ON COLUMN billing.quarantine.tenant_id IS 'The tenant, where it could be read.';
COMMENT ON COLUMN billing.quarantine.producer IS 'The producer, where it could be read.';
COMMENT ON COLUMN billing.quarantine.sequence IS 'The producer''s number of the event, where it could be read.';
COMMENT ON COLUMN billing.quarantine.received_at IS 'When it was put here (UTC).';
