INSERT INTO billing.price (
    version_id, provider, model, token_kind, service_tier, context_above_tokens, nano_usd_per_million_tokens,
    source, source_date, note
)
SELECT
    $1, provider, model, token_kind, service_tier, context_above_tokens, rate, source, source_date, note
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[], $9::date[], $10::text[])
    AS price (provider, model, token_kind, service_tier, context_above_tokens, rate, source, source_date, note)
