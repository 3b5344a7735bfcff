SELECT tenant_id, plain_end_user_ids, created_at FROM edge.tenant ORDER BY tenant_id
