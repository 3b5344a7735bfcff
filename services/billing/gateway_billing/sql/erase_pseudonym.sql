-- One that was never named is put in as erased, so that no later event can name it.
INSERT INTO billing.end_user AS known (tenant_id, end_user, end_user_name, erased_at)
VALUES ($1, $2, NULL, now())
ON CONFLICT (tenant_id, end_user) DO UPDATE
SET end_user_name = NULL, erased_at = coalesce(known.erased_at, excluded.erased_at)
