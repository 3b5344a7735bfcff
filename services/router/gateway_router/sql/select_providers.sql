-- Every provider with its keys as arrays in the order of their numbers.
SELECT p.tenant_id, p.name, p.kind, p.base_url, p.models, p.aliases, p.prices, p.priority, p.weight,
       p.max_open_calls, p.requests_per_minute,
       p.connect_timeout_s, p.first_byte_timeout_s, p.silence_timeout_s, p.call_timeout_s,
       p.version, p.created_at, p.updated_at,
       ARRAY(SELECT k.last_four FROM router.provider_key AS k WHERE k.provider_id = p.provider_id ORDER BY k.key_number) AS last_fours,
       ARRAY(SELECT k.ring_key_id FROM router.provider_key AS k WHERE k.provider_id = p.provider_id ORDER BY k.key_number) AS ring_key_ids,
       ARRAY(SELECT k.wrapped_data_key FROM router.provider_key AS k WHERE k.provider_id = p.provider_id ORDER BY k.key_number) AS wrapped_data_keys,
       ARRAY(SELECT k.ciphertext FROM router.provider_key AS k WHERE k.provider_id = p.provider_id ORDER BY k.key_number) AS ciphertexts
FROM router.provider AS p
ORDER BY p.name, p.tenant_id NULLS FIRST
