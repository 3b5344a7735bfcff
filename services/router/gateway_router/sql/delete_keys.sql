DELETE FROM router.provider_key WHERE provider_id = $1
