INSERT INTO billing.closed_month (
    month, tenant_id, events, unpriced_events, uncharged_events, cost_nano_usd, charge_nano_usd, note, closed_at
)
SELECT
    $1, tenant.tenant_id, count(e.event_id),
    count(e.event_id) FILTER (WHERE cost.event_id IS NULL), count(e.event_id) FILTER (WHERE charge.event_id IS NULL),
    coalesce(sum(cost.nano_usd), 0), coalesce(sum(charge.nano_usd), 0), $4, $6
FROM (
    SELECT DISTINCT tenant_id FROM billing.event WHERE started_at >= $2 AND started_at < $3 AND $5::text IS NULL
    UNION
    SELECT $5::text WHERE $5::text IS NOT NULL
    UNION
    SELECT tenant_id FROM billing.statement_line WHERE month = $1 AND $5::text IS NULL
) AS tenant
LEFT JOIN billing.event AS e ON e.tenant_id = tenant.tenant_id AND e.started_at >= $2 AND e.started_at < $3
LEFT JOIN billing.current_rating AS cost ON cost.event_id = e.event_id AND cost.kind = 'cost'
LEFT JOIN billing.current_rating AS charge ON charge.event_id = e.event_id AND charge.kind = 'charge'
WHERE NOT EXISTS (SELECT FROM billing.closed_month AS c WHERE c.month = $1 AND c.tenant_id = tenant.tenant_id)
GROUP BY tenant.tenant_id
