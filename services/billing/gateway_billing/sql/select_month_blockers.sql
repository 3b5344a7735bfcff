-- What a month still lacks. A missing event ended between the two held ones beside it, so it is of another month where
-- the one behind it ended before this month began, or the one before it started a day after it was over (no call takes
-- a day).
SELECT
    'without a cost' AS problem,
    format('%s/%s', price_provider, coalesce(model_served, model_upstream)) AS what,
    count(*) AS events
FROM billing.unpriced
WHERE started_at >= $1 AND started_at < $2 AND ($3::text IS NULL OR tenant_id = $3)
GROUP BY price_provider, coalesce(model_served, model_upstream)
UNION ALL
SELECT 'without a charge', format('channel %s, plan %s', channel, plan_id), count(*)
FROM billing.uncharged
WHERE started_at >= $1 AND started_at < $2 AND ($3::text IS NULL OR tenant_id = $3)
GROUP BY channel, plan_id
UNION ALL
SELECT
    'missing',
    format('%s, numbers %s to %s', missing.producer, missing.first_sequence, missing.last_sequence),
    missing.missing
FROM billing.missing_sequences AS missing
LEFT JOIN LATERAL (
    SELECT e.started_at FROM billing.event AS e
    WHERE e.producer = missing.producer AND e.sequence < missing.first_sequence
    ORDER BY e.sequence DESC
    LIMIT 1
) AS before ON true
LEFT JOIN LATERAL (
    SELECT e.started_at + e.duration_us * interval '1 microsecond' AS ended_at FROM billing.event AS e
    WHERE e.producer = missing.producer AND e.sequence > missing.last_sequence
    ORDER BY e.sequence
    LIMIT 1
) AS behind ON true
WHERE (before.started_at IS NULL OR before.started_at < $2::timestamptz + interval '1 day')
    AND (behind.ended_at IS NULL OR behind.ended_at >= $1)
ORDER BY 1, 2
