INSERT INTO billing.quarantine (raw_sha256, raw, error, tenant_id, producer, sequence)
SELECT raw_sha256, raw, error, tenant_id, producer, sequence
FROM unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::bigint[])
    AS poison (raw_sha256, raw, error, tenant_id, producer, sequence)
ON CONFLICT DO NOTHING
