UPDATE billing.end_user SET end_user_name = NULL, erased_at = now()
WHERE tenant_id = $1 AND end_user_name = $2
RETURNING end_user
