INSERT INTO billing.statement_line (
    month, tenant_id, line, item, channel, plan_id, tariff_version, events, tokens, list_nano_usd, tier_above_tokens,
    tier_up_to_tokens, tier_tokens, tier_list_nano_usd, discount_bp, discount_nano_usd, nano_usd, month_adjusted,
    description
)
SELECT
    month, tenant_id, line, item, channel, plan_id, tariff_version, events, tokens, list_nano_usd, tier_above_tokens,
    tier_up_to_tokens, tier_tokens, tier_list_nano_usd, discount_bp, discount_nano_usd, nano_usd, month_adjusted,
    description
FROM billing.statement
WHERE month = $1 AND ($2::text IS NULL OR tenant_id = $2) AND NOT is_closed
