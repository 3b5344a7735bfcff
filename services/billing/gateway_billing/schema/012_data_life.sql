-- Who pseudonyms stand for, where a tenant wants that known; and what retention took out of the ledger.

CREATE TABLE billing.end_user (
    tenant_id text NOT NULL,
    end_user text NOT NULL,
    end_user_name text,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    erased_at timestamptz,
    PRIMARY KEY (tenant_id, end_user),
    CHECK ((end_user_name IS NULL) = (erased_at IS NOT NULL))
);
CREATE INDEX end_user_by_name ON billing.end_user (tenant_id, end_user_name) WHERE end_user_name IS NOT NULL;

COMMENT ON TABLE billing.end_user IS 'Whom a pseudonym stands for, of tenants that opted in only. An erased one keeps its row without the name, so that later events cannot bring it back.';
COMMENT ON COLUMN billing.end_user.tenant_id IS 'The tenant whose end user it is.';
COMMENT ON COLUMN billing.end_user.end_user IS 'The pseudonym, as in billing.event.end_user: an HMAC keyed by tenant.';
COMMENT ON COLUMN billing.end_user.end_user_name IS 'The id that the tenant''s client sent, at most 128 printable characters of it; NULL once it is erased.';
COMMENT ON COLUMN billing.end_user.first_seen_at IS 'When the first event with the name was recorded (UTC).';
COMMENT ON COLUMN billing.end_user.erased_at IS 'When the name was erased (UTC); NULL: it was not.';

CREATE TABLE billing.dropped_range (
    producer text NOT NULL,
    first_sequence bigint NOT NULL CHECK (first_sequence >= 1),
    last_sequence bigint NOT NULL CHECK (last_sequence >= first_sequence),
    month date NOT NULL CHECK (month = date_trunc('month', month::timestamp)::date),
    dropped_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (producer, first_sequence)
);

COMMENT ON TABLE billing.dropped_range IS 'Events that the ledger had and that retention dropped with their month, insert-only: they are not missing.';
COMMENT ON COLUMN billing.dropped_range.producer IS 'The router process that wrote the events, <instance>/<boot>.';
COMMENT ON COLUMN billing.dropped_range.first_sequence IS 'The first of a run of sequences without a gap that were dropped.';
COMMENT ON COLUMN billing.dropped_range.last_sequence IS 'The last of that run.';
COMMENT ON COLUMN billing.dropped_range.month IS 'The first day of the month (UTC) that was dropped.';
COMMENT ON COLUMN billing.dropped_range.dropped_at IS 'When it was dropped (UTC).';

GRANT SELECT, INSERT ON billing.end_user TO billing;
GRANT SELECT ON billing.dropped_range TO billing;
GRANT SELECT ON billing.end_user, billing.dropped_range TO billing_reader;
