SELECT provider, model, token_kind, service_tier, context_above_tokens, nano_usd_per_million_tokens, source, source_date, note
FROM billing.price
WHERE version_id = $1
ORDER BY provider, model COLLATE "C"
