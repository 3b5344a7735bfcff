INSERT INTO billing.tariff_tier (version_id, channel, plan_id, above_tokens, discount_bp)
SELECT $1, channel, plan_id, above_tokens, discount_bp
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::integer[]) AS tier (channel, plan_id, above_tokens, discount_bp)
