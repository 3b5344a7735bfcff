-- Tenants, their users, plans and API keys. Owned by the migrating role; the run-time role `edge` owns nothing.

CREATE TABLE edge.tenant (
    tenant_id text PRIMARY KEY CHECK (tenant_id ~ '^[A-Za-z0-9._-]{1,64}$'),
    plain_end_user_ids boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE edge.tenant IS 'Who is isolated from whom: everything else belongs to one tenant';
COMMENT ON COLUMN edge.tenant.tenant_id IS 'The operator''s name for the tenant';
COMMENT ON COLUMN edge.tenant.plain_end_user_ids IS 'True: end users'' ids reach the ledger as they came; false: as HMACs keyed by tenant';
COMMENT ON COLUMN edge.tenant.created_at IS 'When the tenant was made';

CREATE TABLE edge.app_user (
    tenant_id text NOT NULL REFERENCES edge.tenant,
    user_id text NOT NULL CHECK (user_id ~ '^[A-Za-z0-9._@+-]{1,128}$'),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id)
);
COMMENT ON TABLE edge.app_user IS 'The users that keys belong to (people or applications), not end users named in requests';
COMMENT ON COLUMN edge.app_user.tenant_id IS 'The tenant that the user belongs to';
COMMENT ON COLUMN edge.app_user.user_id IS 'The operator''s name for the user, unique in its tenant';
COMMENT ON COLUMN edge.app_user.created_at IS 'When the user was made';

CREATE TABLE edge.plan (
    tenant_id text NOT NULL REFERENCES edge.tenant,
    plan_id text NOT NULL CHECK (plan_id ~ '^[A-Za-z0-9._-]{1,64}$'),
    requests_per_minute integer CHECK (requests_per_minute > 0),
    concurrent_requests integer CHECK (concurrent_requests > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, plan_id)
);
COMMENT ON TABLE edge.plan IS 'Limits that keys share by name; each key has its own counters';
COMMENT ON COLUMN edge.plan.tenant_id IS 'The tenant that the plan belongs to';
COMMENT ON COLUMN edge.plan.plan_id IS 'The plan''s name, unique in its tenant';
COMMENT ON COLUMN edge.plan.requests_per_minute IS 'Requests a minute for each key; NULL: the edge''s setting REQUESTS_PER_MINUTE';
COMMENT ON COLUMN edge.plan.concurrent_requests IS 'Requests in flight at once for each key; NULL: the edge''s setting CONCURRENT_REQUESTS';
COMMENT ON COLUMN edge.plan.created_at IS 'When the plan was made';

CREATE TABLE edge.api_key (
    tenant_id text NOT NULL,
    key_id text NOT NULL CHECK (key_id ~ '^[A-Za-z0-9_]{1,64}$'),
    user_id text NOT NULL,
    plan_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('gw', 'langchain', 'admin')),
    digest bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
    prefix text NOT NULL,
    last_four text NOT NULL CHECK (length(last_four) = 4),
    scopes text[] NOT NULL DEFAULT '{}',
    expires_at timestamptz,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, key_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES edge.app_user,
    FOREIGN KEY (tenant_id, plan_id) REFERENCES edge.plan
);
COMMENT ON TABLE edge.api_key IS 'API keys; the key itself is shown once, when it is made, and is not stored';
COMMENT ON COLUMN edge.api_key.tenant_id IS 'The tenant that pays for what the key does';
COMMENT ON COLUMN edge.api_key.key_id IS 'Public name of the key, as logs and the ledger show it';
COMMENT ON COLUMN edge.api_key.user_id IS 'The user of the tenant that the key belongs to';
COMMENT ON COLUMN edge.api_key.plan_id IS 'The plan whose limits apply';
COMMENT ON COLUMN edge.api_key.kind IS 'gw: any model route but LangChain''s; langchain: every model route, metered as LangChain; admin: no model route';
COMMENT ON COLUMN edge.api_key.digest IS 'HMAC-SHA256 of the whole key, keyed with the pepper (KEY_PEPPER)';
COMMENT ON COLUMN edge.api_key.prefix IS 'What the key starts with, to recognise it by';
COMMENT ON COLUMN edge.api_key.last_four IS 'The last four characters of the key, to recognise it by';
COMMENT ON COLUMN edge.api_key.scopes IS 'What the key is limited to; empty: all that its kind allows';
COMMENT ON COLUMN edge.api_key.expires_at IS 'From when on the key is refused; NULL: never';
COMMENT ON COLUMN edge.api_key.revoked_at IS 'When the key was revoked; NULL: it was not';
COMMENT ON COLUMN edge.api_key.created_at IS 'When the key was made';

-- Every tenant starts with the three plans, so that a key can be made for it at once.
CREATE FUNCTION edge.seed_plans() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO edge.plan (tenant_id, plan_id, requests_per_minute, concurrent_requests)
    VALUES (NEW.tenant_id, 'standard', NULL, NULL),
           (NEW.tenant_id, 'langchain', NULL, NULL),
           (NEW.tenant_id, 'premium', 6000, 500);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION edge.seed_plans() IS 'Gives a new tenant the plans standard, langchain and premium';
REVOKE ALL ON FUNCTION edge.seed_plans() FROM PUBLIC;
CREATE TRIGGER seed_plans AFTER INSERT ON edge.tenant FOR EACH ROW EXECUTE FUNCTION edge.seed_plans();

INSERT INTO edge.tenant (tenant_id) VALUES ('default');

-- Edges keep grants in memory and drop what this channel names: {"tenant_id": ..., "key_id": ... or null for all keys}.
CREATE FUNCTION edge.notify_grants() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed jsonb := to_jsonb(CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END);
BEGIN
    PERFORM pg_notify('edge_grants', jsonb_build_object('tenant_id', changed -> 'tenant_id', 'key_id', changed -> 'key_id')::text);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION edge.notify_grants() IS 'Tells every edge which cached grants no longer hold';
REVOKE ALL ON FUNCTION edge.notify_grants() FROM PUBLIC;
CREATE TRIGGER notify_grants AFTER INSERT OR UPDATE OR DELETE ON edge.api_key FOR EACH ROW EXECUTE FUNCTION edge.notify_grants();
CREATE TRIGGER notify_grants AFTER UPDATE OR DELETE ON edge.plan FOR EACH ROW EXECUTE FUNCTION edge.notify_grants();
CREATE TRIGGER notify_grants AFTER UPDATE OR DELETE ON edge.tenant FOR EACH ROW EXECUTE FUNCTION edge.notify_grants();

-- The only way from a credential to what it grants; made before a tenant is known, so it sees every tenant's keys.
CREATE FUNCTION edge.grant_of_key(key_digest bytea)
RETURNS TABLE (
    tenant_id text, user_id text, key_id text, plan_id text, kind text, digest bytea, scopes text[],
    expires_at timestamptz, requests_per_minute integer, concurrent_requests integer, plain_end_user_ids boolean
)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1 SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.tenant_id, k.user_id, k.key_id, k.plan_id, k.kind, k.digest, k.scopes,
           k.expires_at, p.requests_per_minute, p.concurrent_requests, t.plain_end_user_ids
    FROM edge.api_key AS k
    JOIN edge.plan AS p ON p.tenant_id = k.tenant_id AND p.plan_id = k.plan_id
    JOIN edge.tenant AS t ON t.tenant_id = k.tenant_id
    WHERE k.digest = key_digest AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
$$;
COMMENT ON FUNCTION edge.grant_of_key(bytea) IS 'What the live key with this digest may do; no row when there is none';
REVOKE ALL ON FUNCTION edge.grant_of_key(bytea) FROM PUBLIC;

GRANT USAGE ON SCHEMA edge TO edge;
GRANT EXECUTE ON FUNCTION edge.grant_of_key(bytea) TO edge;
-- for `keys create`, `keys revoke` and `keys list` run as edge: it may add keys and revoke them, and change nothing else
GRANT SELECT, INSERT ON edge.tenant, edge.app_user, edge.api_key TO edge;
GRANT SELECT ON edge.plan TO edge;
GRANT UPDATE (revoked_at) ON edge.api_key TO edge;
