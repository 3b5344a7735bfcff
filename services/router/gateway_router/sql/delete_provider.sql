-- Its keys go with it.
DELETE FROM router.provider WHERE name = $1 AND tenant_id IS NOT DISTINCT FROM $2
