INSERT INTO router.provider (
    tenant_id, name, kind, base_url, models, aliases, priority, weight, max_open_calls, requests_per_minute,
    connect_timeout_s, first_byte_timeout_s, silence_timeout_s, call_timeout_s, version, prices
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (tenant_id, name) DO UPDATE SET
    kind = EXCLUDED.kind, base_url = EXCLUDED.base_url, models = EXCLUDED.models, aliases = EXCLUDED.aliases,
    prices = EXCLUDED.prices, priority = EXCLUDED.priority, weight = EXCLUDED.weight,
    max_open_calls = EXCLUDED.max_open_calls, requests_per_minute = EXCLUDED.requests_per_minute,
    connect_timeout_s = EXCLUDED.connect_timeout_s, first_byte_timeout_s = EXCLUDED.first_byte_timeout_s,
    silence_timeout_s = EXCLUDED.silence_timeout_s, call_timeout_s = EXCLUDED.call_timeout_s,
    version = EXCLUDED.version, updated_at = now()
RETURNING provider_id, created_at, updated_at
