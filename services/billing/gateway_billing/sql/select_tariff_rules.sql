SELECT
    version_id, rule, channel, plan_id, provider, model, partial_policy, failed_policy, unknown_policy, estimated_policy,
    note, token_kind, markup_bp, nano_usd_per_million_tokens
FROM billing.tariff_rule
JOIN billing.tariff_rate USING (version_id, rule)
ORDER BY version_id, rule
