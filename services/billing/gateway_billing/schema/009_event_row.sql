-- How a consumer hands over a batch: as one array of rows. An array for each column costs its client three times as
-- much, and Postgres a fifth more (docs/performance.md, the ledger).

CREATE TYPE billing.event_row AS (
    event_id uuid,
    started_at timestamptz,
    request_id text,
    attempt integer,
    is_final boolean,
    producer text,
    sequence bigint,
    tenant_id text,
    user_id text,
    key_id text,
    plan_id text,
    channel text,
    end_user text,
    agent_id text,
    agent_run_id text,
    agent_parent_run_id text,
    traceparent text,
    client_retry_count integer,
    endpoint text,
    stream boolean,
    provider text,
    price_provider text,
    model_requested text,
    model_upstream text,
    model_served text,
    service_tier text,
    duration_us bigint,
    time_to_first_token_us bigint,
    http_status integer,
    status text,
    finish_state text,
    usage_source text,
    schema_version smallint,
    input_tokens bigint,
    cached_input_tokens bigint,
    cache_write_5m_tokens bigint,
    cache_write_1h_tokens bigint,
    input_audio_tokens bigint,
    output_tokens bigint,
    reasoning_tokens bigint,
    output_audio_tokens bigint
);
COMMENT ON TYPE billing.event_row IS 'The columns of billing.event that a usage event brings, in the order in which the consumer sends them.';

DO $$
DECLARE
    item record;
BEGIN
    FOR item IN
        SELECT here.attname, col_description('billing.event'::regclass, there.attnum) AS text
        FROM pg_attribute AS here
        JOIN pg_attribute AS there ON there.attrelid = 'billing.event'::regclass AND there.attname = here.attname
        WHERE here.attrelid = 'billing.event_row'::regclass
    LOOP
        EXECUTE format('COMMENT ON COLUMN billing.event_row.%I IS %L', item.attname, item.text);
    END LOOP;
END
$$;
