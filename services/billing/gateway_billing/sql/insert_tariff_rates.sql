INSERT INTO billing.tariff_rate (version_id, rule, token_kind, markup_bp, nano_usd_per_million_tokens)
SELECT $1, rule, token_kind, markup_bp, nano_usd_per_million_tokens
FROM unnest($2::integer[], $3::text[], $4::integer[], $5::bigint[])
    AS rate (rule, token_kind, markup_bp, nano_usd_per_million_tokens)
