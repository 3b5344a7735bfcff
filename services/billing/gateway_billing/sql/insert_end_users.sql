INSERT INTO billing.end_user (tenant_id, end_user, end_user_name)
SELECT tenant_id, end_user, end_user_name
FROM unnest($1::text[], $2::text[], $3::text[]) AS named (tenant_id, end_user, end_user_name)
ON CONFLICT DO NOTHING
