SELECT tenant_id, key_id, user_id, plan_id, kind, prefix, last_four, created_at, expires_at, revoked_at
FROM edge.api_key
ORDER BY tenant_id, created_at, key_id
