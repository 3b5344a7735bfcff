-- Never backwards: marks may arrive late, again, or in another order.
INSERT INTO billing.producer AS known (producer, sequence, closed, marked_at)
SELECT producer, sequence, closed, marked_at
FROM unnest($1::text[], $2::bigint[], $3::boolean[], $4::timestamptz[]) AS mark (producer, sequence, closed, marked_at)
ON CONFLICT (producer) DO UPDATE SET
    sequence = greatest(known.sequence, excluded.sequence),
    closed = known.closed OR excluded.closed,
    marked_at = greatest(known.marked_at, excluded.marked_at),
    received_at = now()
WHERE excluded.sequence > known.sequence
    OR (excluded.closed AND NOT known.closed)
    OR excluded.marked_at > known.marked_at
