-- The same secret under another wrapping.
UPDATE router.provider_key
SET ring_key_id = $4, wrapped_data_key = $5
WHERE key_number = $3
  AND provider_id = (SELECT provider_id FROM router.provider WHERE name = $1 AND tenant_id IS NOT DISTINCT FROM $2)
