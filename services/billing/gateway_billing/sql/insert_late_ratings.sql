WITH rated AS (
    SELECT event_id, kind, tenant_id, price_version, tariff_version, nano_usd, reason, month
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::date[])
        AS rated (event_id, kind, tenant_id, price_version, tariff_version, nano_usd, reason, month)
),
inserted AS (
    INSERT INTO billing.rating (event_id, kind, revision, tenant_id, price_version, tariff_version, nano_usd, reason)
    SELECT event_id, kind, 1, tenant_id, price_version, tariff_version, nano_usd, reason FROM rated
    ON CONFLICT DO NOTHING
    RETURNING event_id, kind
)
INSERT INTO billing.adjustment (
    event_id, kind, number, tenant_id, month_adjusted, month_booked, cause, nano_usd, price_version, tariff_version, reason
)
SELECT
    event_id, kind, 1, tenant_id, month, date_trunc('month', now() AT TIME ZONE 'UTC')::date, $9, nano_usd,
    price_version, tariff_version, reason
FROM inserted
JOIN rated USING (event_id, kind)
WHERE billing.is_closed(month, tenant_id)
