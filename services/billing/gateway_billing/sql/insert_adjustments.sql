INSERT INTO billing.adjustment (
    event_id, kind, number, tenant_id, month_adjusted, month_booked, cause, nano_usd, price_version, tariff_version, reason
)
SELECT
    event_id, kind, number, tenant_id, month, date_trunc('month', now() AT TIME ZONE 'UTC')::date, 'rerating', nano_usd,
    price_version, tariff_version, reason
FROM unnest(
    $1::uuid[], $2::text[], $3::integer[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $9::date[]
) AS adjusted (event_id, kind, number, tenant_id, price_version, tariff_version, nano_usd, reason, month)
