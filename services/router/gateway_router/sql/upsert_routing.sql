INSERT INTO router.routing_setting (name, value, version) VALUES ('fallbacks', $1, $2)
ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value, version = EXCLUDED.version, updated_at = now()
