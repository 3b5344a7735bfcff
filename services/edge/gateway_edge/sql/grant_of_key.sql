SELECT tenant_id, user_id, key_id, plan_id, kind, digest, scopes, expires_at,
       requests_per_minute, concurrent_requests, plain_end_user_ids
FROM edge.grant_of_key($1)
