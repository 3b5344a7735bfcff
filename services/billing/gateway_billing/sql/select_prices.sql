SELECT
    version_id, provider, model, token_kind, service_tier, context_above_tokens, nano_usd_per_million_tokens,
    source, source_date, note
FROM billing.price
ORDER BY version_id, provider, model
