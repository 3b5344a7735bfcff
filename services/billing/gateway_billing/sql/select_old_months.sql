SELECT
    old.month,
    (
        SELECT count(*) FROM billing.event AS e
        WHERE e.event_id >= billing.uuid7_floor(old.month::timestamp AT TIME ZONE 'UTC')
            AND e.event_id < billing.uuid7_floor((old.month + interval '1 month') AT TIME ZONE 'UTC')
    ) AS events,
    (SELECT string_agg(format('%s: %s', o.obstacle, o.items), '; ') FROM billing.month_obstacles(old.month) AS o) AS obstacles
FROM (
    SELECT to_date(substr(part.relname, 7), 'YYYY_MM') AS month
    FROM pg_inherits AS i
    JOIN pg_class AS part ON part.oid = i.inhrelid
    WHERE i.inhparent = 'billing.event'::regclass AND part.relname ~ '^event_\d{4}_\d{2}$'
) AS old
WHERE old.month < date_trunc('month', now() AT TIME ZONE 'UTC') - make_interval(months => $1)
ORDER BY old.month
