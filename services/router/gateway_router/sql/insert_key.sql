INSERT INTO router.provider_key (provider_id, key_number, last_four, ring_key_id, wrapped_data_key, ciphertext)
VALUES ($1, $2, $3, $4, $5, $6)
