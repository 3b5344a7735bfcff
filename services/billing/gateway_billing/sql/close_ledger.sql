INSERT INTO billing.closed_month (
    month, tenant_id, events, unpriced_events, uncharged_events, cost_nano_usd, charge_nano_usd, note, closed_at
)
SELECT
    $1, NULL, coalesce(sum(events), 0), coalesce(sum(unpriced_events), 0), coalesce(sum(uncharged_events), 0),
    coalesce(sum(cost_nano_usd), 0), coalesce(sum(charge_nano_usd), 0), $2, $3
FROM billing.closed_month
WHERE month = $1 AND tenant_id IS NOT NULL
