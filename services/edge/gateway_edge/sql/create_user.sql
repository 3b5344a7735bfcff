INSERT INTO edge.app_user (tenant_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING
