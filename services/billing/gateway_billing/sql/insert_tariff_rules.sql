INSERT INTO billing.tariff_rule (
    version_id, rule, channel, plan_id, provider, model, partial_policy, failed_policy, unknown_policy, estimated_policy,
    note
)
SELECT
    $1, rule, channel, plan_id, provider, model, partial_policy, failed_policy, unknown_policy, estimated_policy, note
FROM unnest(
    $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[]
) AS tariff (
    rule, channel, plan_id, provider, model, partial_policy, failed_policy, unknown_policy, estimated_policy, note
)
