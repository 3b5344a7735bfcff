SELECT q.raw_sha256, q.raw, q.error, q.tenant_id, q.producer, q.sequence, q.received_at, r.resolution
FROM billing.quarantine AS q
LEFT JOIN billing.quarantine_resolution AS r ON r.raw_sha256 = q.raw_sha256
WHERE ($1 OR r.raw_sha256 IS NULL) AND starts_with(q.raw_sha256, $2)
ORDER BY q.received_at, q.raw_sha256
