SELECT raw_sha256, raw, error
FROM billing.quarantine_open
WHERE received_at >= $1 AND ($2::text IS NULL OR tenant_id IS NULL OR tenant_id = $2)
ORDER BY received_at
