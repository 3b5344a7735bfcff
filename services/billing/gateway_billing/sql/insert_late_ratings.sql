-- Of a month that is closed for the tenant they are also adjustments in the current one. What came after the close says so,
-- whenever it was rated: both times were taken with the books in hand, which the close had alone.
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
    rated.event_id, rated.kind, 1, rated.tenant_id, rated.month, date_trunc('month', now() AT TIME ZONE 'UTC')::date,
    CASE WHEN event.received_at > close.closed_at THEN 'late_event' ELSE 'late_rating' END,
    rated.nano_usd, rated.price_version, rated.tariff_version, rated.reason
FROM inserted
JOIN rated USING (event_id, kind)
JOIN billing.event USING (event_id)
CROSS JOIN LATERAL (
    SELECT min(c.closed_at) AS closed_at
    FROM billing.closed_month AS c
    WHERE c.month = rated.month AND (c.tenant_id = rated.tenant_id OR c.tenant_id IS NULL)
) AS close
WHERE close.closed_at IS NOT NULL
