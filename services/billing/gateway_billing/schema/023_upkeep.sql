-- Before the code. Partitions are made one in a transaction, and events that lack a rating are on a list.

-- Whoever makes both partitions of a month, or many months, at once holds the default partition of one table alone
-- while it waits for the other's: crosswise with a consumer, which locks them in the order of its own work.
CREATE FUNCTION billing.create_partition(parent text, month date) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    month_begin timestamp := date_trunc('month', create_partition.month::timestamp);
    part text := parent || to_char(month_begin, '_YYYY_MM');
    lower_id uuid := billing.uuid7_floor(month_begin AT TIME ZONE 'UTC');
    upper_id uuid := billing.uuid7_floor((month_begin + interval '1 month') AT TIME ZONE 'UTC');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('billing.create_partitions'));
    IF to_regclass(format('billing.%I', part)) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE billing.%I (LIKE billing.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, parent);
    -- Rows that came before their month did wait in the default partition, which must not hold them any more.
    EXECUTE format('LOCK TABLE billing.%I IN ACCESS EXCLUSIVE MODE', parent || '_default');
    EXECUTE format(
        'WITH moved AS (DELETE FROM billing.%I WHERE event_id >= %L AND event_id < %L RETURNING *)'
        ' INSERT INTO billing.%I SELECT * FROM moved', parent || '_default', lower_id, upper_id, part);
    EXECUTE format(
        'ALTER TABLE billing.%I ATTACH PARTITION billing.%I FOR VALUES FROM (%L) TO (%L)',
        parent, part, lower_id, upper_id);
    PERFORM billing.copy_comments(format('billing.%I', parent)::regclass, format('billing.%I', part)::regclass);
    RETURN true;
END
$$;
COMMENT ON FUNCTION billing.create_partition(text, date) IS 'Makes the partition of event or rating for the month of that day (UTC); returns whether it was missing.';

CREATE OR REPLACE FUNCTION billing.create_partitions(first_month date, months integer) RETURNS integer
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT count(*) FILTER (
        WHERE billing.create_partition(parent, (first_month + make_interval(months => months_on))::date)
    )::integer
    FROM unnest(ARRAY['event', 'rating']) AS parent
    CROSS JOIN generate_series(0, months - 1) AS months_on
$$;

CREATE FUNCTION billing.ensure_next_partition_at(moment timestamptz) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    first_month timestamp := date_trunc('month', moment AT TIME ZONE 'UTC') - interval '1 month';
    parent text;
BEGIN
    FOR months_on IN 0 .. 25 LOOP
        FOREACH parent IN ARRAY ARRAY['event', 'rating'] LOOP
            IF billing.create_partition(parent, (first_month + make_interval(months => months_on))::date) THEN
                RETURN true;
            END IF;
        END LOOP;
    END LOOP;
    RETURN false;
END
$$;
COMMENT ON FUNCTION billing.ensure_next_partition_at(timestamptz) IS 'Of the month before the moment, its own and the next 24: makes the first partition that is missing; returns whether there was one. Commit, and call it again until there is none.';

CREATE FUNCTION billing.ensure_next_partition() RETURNS boolean
LANGUAGE sql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT billing.ensure_next_partition_at(now())
$$;
COMMENT ON FUNCTION billing.ensure_next_partition() IS 'As ensure_next_partition_at, for now; the billing service calls it at start and daily, as it owns nothing itself.';

REVOKE ALL ON FUNCTION billing.create_partition(text, date), billing.ensure_next_partition_at(timestamptz),
    billing.ensure_next_partition() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing.ensure_next_partition() TO billing;

CREATE TABLE billing.unrated (
    event_id uuid PRIMARY KEY
);
COMMENT ON TABLE billing.unrated IS 'A work list, not ledger: events to be rated when prices or tariffs are imported. What lacks a cost or a charge is in billing.unpriced and billing.uncharged, which look at all events.';
COMMENT ON COLUMN billing.unrated.event_id IS 'An event (billing.event) that lacked a cost or a charge when it came; gone from here once it has both.';

INSERT INTO billing.unrated (event_id) SELECT event_id FROM billing.unpriced UNION SELECT event_id FROM billing.uncharged;

GRANT SELECT, INSERT, DELETE ON billing.unrated TO billing;
GRANT SELECT ON billing.unrated TO billing_reader;

-- As before, and already while such an event waits for its price.
CREATE OR REPLACE VIEW billing.late_event AS
SELECT event_id, kind, bool_or(arrived_late) AS arrived_late
FROM (
    SELECT event_id, kind, cause = 'late_event' AS arrived_late
    FROM billing.adjustment
    WHERE cause IN ('late_event', 'late_rating')
    UNION ALL
    SELECT e.event_id, k.kind, true
    FROM billing.unrated
    JOIN billing.event AS e USING (event_id)
    CROSS JOIN unnest(ARRAY['cost', 'charge']) AS k (kind)
    WHERE EXISTS (
        SELECT FROM billing.closed_month AS c
        WHERE c.month = date_trunc('month', e.started_at AT TIME ZONE 'UTC')::date
            AND (c.tenant_id = e.tenant_id OR c.tenant_id IS NULL)
            AND c.closed_at < e.received_at
    )
) AS late
GROUP BY event_id, kind;
