INSERT INTO edge.api_key (tenant_id, key_id, user_id, plan_id, kind, digest, prefix, last_four, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
