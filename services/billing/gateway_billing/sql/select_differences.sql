-- What an event amounts to now is its newest rating and, in a closed month, the re-ratings after it. An event that
-- has no rating yet is no difference: its first rating is the service's.
SELECT
    r.event_id, r.kind, r.position, rated.revision, coalesce(adjusted.number, 0) AS number,
    rated.nano_usd + coalesce(adjusted.nano_usd, 0)::bigint AS nano_usd_now,
    billing.is_closed(r.month, r.tenant_id) AS is_closed
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::date[], $5::bigint[])
    WITH ORDINALITY AS r (event_id, kind, tenant_id, month, nano_usd, position)
JOIN billing.current_rating AS rated ON rated.event_id = r.event_id AND rated.kind = r.kind
LEFT JOIN LATERAL (
    SELECT max(a.number) AS number, sum(a.nano_usd) FILTER (WHERE a.cause = 'rerating') AS nano_usd
    FROM billing.adjustment AS a
    WHERE a.event_id = r.event_id AND a.kind = r.kind
) AS adjusted ON true
WHERE r.nano_usd <> rated.nano_usd + coalesce(adjusted.nano_usd, 0)
