-- From the events themselves, without a checkpoint: every number of every producer is looked at.
WITH ledger AS (
    SELECT producer, count(*) AS events, count(DISTINCT sequence) AS in_ledger, max(sequence) AS highest
    FROM billing.event
    WHERE $1::text[] IS NULL OR producer = ANY ($1)
    GROUP BY producer
),
aside AS (
    SELECT
        q.producer,
        count(DISTINCT q.sequence) FILTER (WHERE r.resolution IS NULL) AS quarantined,
        count(DISTINCT q.sequence) FILTER (WHERE r.resolution = 'dismissed') AS dismissed,
        max(q.sequence) AS highest
    FROM billing.quarantine AS q
    LEFT JOIN billing.quarantine_resolution AS r ON r.raw_sha256 = q.raw_sha256
    WHERE q.sequence >= 1
        AND NOT EXISTS (SELECT FROM billing.event AS e WHERE e.producer = q.producer AND e.sequence = q.sequence)
    GROUP BY q.producer
),
dropped AS (
    SELECT producer, sum(last_sequence - first_sequence + 1)::bigint AS dropped, max(last_sequence) AS highest
    FROM billing.dropped_range
    GROUP BY producer
),
known AS (
    SELECT producer FROM ledger
    UNION SELECT producer FROM aside
    UNION SELECT producer FROM dropped
    UNION SELECT producer FROM billing.producer
    UNION SELECT producer FROM billing.producer_checkpoint
)
SELECT
    known.producer,
    greatest(mark.sequence, ledger.highest, aside.highest, dropped.highest, 0) AS produced,
    coalesce(ledger.in_ledger, 0) AS in_ledger,
    coalesce(ledger.events - ledger.in_ledger, 0) AS doubled,
    coalesce(aside.quarantined, 0) AS quarantined,
    coalesce(aside.dismissed, 0) AS dismissed,
    coalesce(dropped.dropped, 0) AS dropped,
    coalesce(mark.closed, false) AS closed,
    gaps.missing_first,
    gaps.missing_last
FROM known
LEFT JOIN ledger USING (producer)
LEFT JOIN aside USING (producer)
LEFT JOIN dropped USING (producer)
LEFT JOIN billing.producer AS mark USING (producer)
CROSS JOIN LATERAL (
    SELECT
        array_agg(m.first_sequence ORDER BY m.first_sequence) AS missing_first,
        array_agg(m.last_sequence ORDER BY m.first_sequence) AS missing_last
    FROM billing.missing_ranges(known.producer, 0) AS m
) AS gaps
WHERE $1::text[] IS NULL OR known.producer = ANY ($1)
ORDER BY known.producer
