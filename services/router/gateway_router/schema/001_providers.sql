-- Providers that operators register by the API. Owned by the migrating role; the run-time role `router` owns nothing.
-- API keys are here under envelope encryption only: the key ring that opens them is a file of the routers'.

CREATE TABLE router.configuration (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    version bigint NOT NULL DEFAULT 0 CHECK (version >= 0),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE router.configuration IS 'One row: how often anything of the providers or their routing has changed';
COMMENT ON COLUMN router.configuration.is_only IS 'Always true: there is one row';
COMMENT ON COLUMN router.configuration.version IS 'Grows by one with each change; whoever changes anything takes this row first, so versions are committed in order';
COMMENT ON COLUMN router.configuration.updated_at IS 'When it last changed';
INSERT INTO router.configuration DEFAULT VALUES;

CREATE TABLE router.provider (
    provider_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id text CHECK (tenant_id ~ '^[A-Za-z0-9._-]{1,64}$'),
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    kind text NOT NULL CHECK (length(kind) BETWEEN 1 AND 64),
    base_url text NOT NULL CHECK (length(base_url) <= 2048),
    models text[] NOT NULL,
    aliases jsonb NOT NULL CHECK (jsonb_typeof(aliases) = 'object'),
    priority integer NOT NULL,
    weight integer NOT NULL CHECK (weight >= 0),
    max_open_calls integer CHECK (max_open_calls > 0),
    requests_per_minute integer CHECK (requests_per_minute > 0),
    connect_timeout_s double precision CHECK (connect_timeout_s > 0),
    first_byte_timeout_s double precision CHECK (first_byte_timeout_s > 0),
    silence_timeout_s double precision CHECK (silence_timeout_s > 0),
    call_timeout_s double precision CHECK (call_timeout_s > 0),
    version bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (tenant_id, name)
);
COMMENT ON TABLE router.provider IS 'Providers as operators registered them, without their API keys';
COMMENT ON COLUMN router.provider.provider_id IS 'Names the row inside this schema only';
COMMENT ON COLUMN router.provider.tenant_id IS 'The one tenant whose keys see and use it; NULL: all';
COMMENT ON COLUMN router.provider.name IS 'What clients write before the slash of a model''s name';
COMMENT ON COLUMN router.provider.kind IS 'How it is spoken to (docs/providers.md)';
COMMENT ON COLUMN router.provider.base_url IS 'Its address, as checked when it was stored; empty: LiteLLM knows it';
COMMENT ON COLUMN router.provider.models IS 'What it serves, as names or patterns with *; empty: what its kind is known for';
COMMENT ON COLUMN router.provider.aliases IS 'From a client''s name of a model to the provider''s';
COMMENT ON COLUMN router.provider.priority IS 'Of several that serve a model the lowest is tried first';
COMMENT ON COLUMN router.provider.weight IS 'Its share among those of the same priority';
COMMENT ON COLUMN router.provider.max_open_calls IS 'Calls to it at once on each router; NULL: no limit of its own';
COMMENT ON COLUMN router.provider.requests_per_minute IS 'Calls to it a minute on each router; NULL: no limit of its own';
COMMENT ON COLUMN router.provider.connect_timeout_s IS 'Seconds for a connection; NULL: the router''s setting';
COMMENT ON COLUMN router.provider.first_byte_timeout_s IS 'Seconds until its first byte; NULL: the router''s setting';
COMMENT ON COLUMN router.provider.silence_timeout_s IS 'Seconds between two chunks; NULL: the router''s setting';
COMMENT ON COLUMN router.provider.call_timeout_s IS 'Seconds for a whole call; NULL: the router''s setting';
COMMENT ON COLUMN router.provider.version IS 'The configuration''s version at its last change; its API keys are sealed to it';
COMMENT ON COLUMN router.provider.created_at IS 'When it was registered';
COMMENT ON COLUMN router.provider.updated_at IS 'When it last changed';

CREATE TABLE router.provider_key (
    provider_id bigint NOT NULL REFERENCES router.provider ON DELETE CASCADE,
    key_number smallint NOT NULL CHECK (key_number >= 0),
    last_four text NOT NULL CHECK (length(last_four) IN (0, 4)),
    ring_key_id text NOT NULL,
    wrapped_data_key bytea NOT NULL,
    ciphertext bytea NOT NULL,
    PRIMARY KEY (provider_id, key_number)
);
COMMENT ON TABLE router.provider_key IS 'API keys of providers, sealed: without a key of the ring nobody reads them, the database''s owner included';
COMMENT ON COLUMN router.provider_key.provider_id IS 'The provider that it opens';
COMMENT ON COLUMN router.provider_key.key_number IS 'From 0 in the order in which they are tried';
COMMENT ON COLUMN router.provider_key.last_four IS 'Its last four characters, to recognise it by; empty for a short key';
COMMENT ON COLUMN router.provider_key.ring_key_id IS 'The key of the key ring (PROVIDER_KEY_RING_FILE) that wraps the data key';
COMMENT ON COLUMN router.provider_key.wrapped_data_key IS 'Nonce, and the data key under AES-256-GCM with the ring''s key';
COMMENT ON COLUMN router.provider_key.ciphertext IS 'Nonce, and the API key under AES-256-GCM with the data key';

CREATE TABLE router.routing_setting (
    name text PRIMARY KEY CHECK (name IN ('fallbacks')),
    value jsonb NOT NULL,
    version bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE router.routing_setting IS 'Routing that belongs to no single provider';
COMMENT ON COLUMN router.routing_setting.name IS 'fallbacks: from a model to those that are tried in its place, in order';
COMMENT ON COLUMN router.routing_setting.value IS 'Its value';
COMMENT ON COLUMN router.routing_setting.version IS 'The configuration''s version at its last change';
COMMENT ON COLUMN router.routing_setting.updated_at IS 'When it last changed';

-- Routers read everything again when they hear this. Without a payload a transaction's notifications are one.
CREATE FUNCTION router.notify_providers() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('router_providers', '');
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION router.notify_providers() IS 'Tells every router that providers or their routing have changed';
REVOKE ALL ON FUNCTION router.notify_providers() FROM PUBLIC;
CREATE TRIGGER notify_providers AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON router.configuration
    FOR EACH STATEMENT EXECUTE FUNCTION router.notify_providers();
CREATE TRIGGER notify_providers AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON router.provider
    FOR EACH STATEMENT EXECUTE FUNCTION router.notify_providers();
CREATE TRIGGER notify_providers AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON router.provider_key
    FOR EACH STATEMENT EXECUTE FUNCTION router.notify_providers();
CREATE TRIGGER notify_providers AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON router.routing_setting
    FOR EACH STATEMENT EXECUTE FUNCTION router.notify_providers();

COMMENT ON TABLE router.migration IS 'Which schema files were applied, and with which text';
COMMENT ON COLUMN router.migration.file_name IS 'Name of the schema file';
COMMENT ON COLUMN router.migration.sha256 IS 'SHA-256 of the file''s text, hexadecimal';
COMMENT ON COLUMN router.migration.applied_at IS 'When it was applied (UTC)';

GRANT USAGE ON SCHEMA router TO router;
GRANT SELECT, UPDATE ON router.configuration TO router;
GRANT SELECT, INSERT, UPDATE, DELETE ON router.provider, router.provider_key, router.routing_setting TO router;
