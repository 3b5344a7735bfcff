-- Months that need not be kept any longer. Only the owner of the schema may drop one.

CREATE FUNCTION billing.month_obstacles(month date)
RETURNS TABLE (obstacle text, items bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_variable
DECLARE
    from_id uuid := billing.uuid7_floor(month::timestamp AT TIME ZONE 'UTC');
    to_id uuid := billing.uuid7_floor((month + interval '1 month') AT TIME ZONE 'UTC');
BEGIN
    RETURN QUERY
    WITH part AS (
        SELECT DISTINCT e.tenant_id, date_trunc('month', e.started_at AT TIME ZONE 'UTC')::date AS started_in
        FROM billing.event AS e
        WHERE e.event_id >= from_id AND e.event_id < to_id
    ),
    producer AS (
        SELECT e.producer, max(e.sequence) AS sequence
        FROM billing.event AS e
        WHERE e.event_id >= from_id AND e.event_id < to_id
        GROUP BY e.producer
    ),
    found (obstacle, items) AS (
        SELECT 'tenants whose month is not closed', count(DISTINCT p.tenant_id)
        FROM part AS p
        WHERE NOT billing.is_closed(p.started_in, p.tenant_id)
        UNION ALL
        SELECT format('calls without a %s', k.kind), (
            SELECT count(*)
            FROM billing.event AS e
            WHERE e.event_id >= from_id AND e.event_id < to_id
                AND NOT EXISTS (
                    SELECT FROM billing.rating AS r
                    WHERE r.event_id = e.event_id AND r.kind = k.kind AND r.event_id >= from_id AND r.event_id < to_id
                )
        )
        FROM unnest(ARRAY['cost', 'charge']) AS k (kind)
        UNION ALL
        SELECT 'producers of which an event is missing', count(*)
        FROM producer AS p
        WHERE EXISTS (
            SELECT FROM billing.missing_sequences AS m WHERE m.producer = p.producer AND m.first_sequence <= p.sequence
        )
        UNION ALL
        SELECT 'producers whose completeness is not established yet', count(*)
        FROM producer AS p
        JOIN billing.producer_checkpoint AS c ON c.producer = p.producer
        WHERE c.sequence < p.sequence
        UNION ALL
        SELECT 'events in quarantine, of producers of the month or of no known one', count(*)
        FROM billing.quarantine_open AS q
        WHERE q.producer IS NULL OR q.producer IN (SELECT p.producer FROM producer AS p)
    )
    SELECT f.obstacle, f.items FROM found AS f WHERE f.items > 0;
END
$$;
COMMENT ON FUNCTION billing.month_obstacles(date) IS 'Why a month (its first day, UTC) may not be dropped, with how many; no row when it may.';

CREATE FUNCTION billing.drop_month(month date) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
-- whoever waits for the whole ledger holds up everybody behind him
SET lock_timeout = '3s'
AS $$
#variable_conflict use_variable
DECLARE
    name text := to_char(month, '_YYYY_MM');
    from_id uuid := billing.uuid7_floor(month::timestamp AT TIME ZONE 'UTC');
    to_id uuid := billing.uuid7_floor((month + interval '1 month') AT TIME ZONE 'UTC');
    obstacles text;
    events bigint;
BEGIN
    IF month <> date_trunc('month', month::timestamp)::date
        OR month >= date_trunc('month', now() AT TIME ZONE 'UTC')::date THEN
        RAISE EXCEPTION '% is not the first day of a month that is over', month USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- Nothing comes into this month while we look; other months go on.
    EXECUTE format('LOCK TABLE billing.%I, billing.%I IN SHARE MODE', 'event' || name, 'rating' || name);
    SELECT string_agg(format('%s: %s', o.obstacle, o.items), '; ') INTO obstacles FROM billing.month_obstacles(month) AS o;
    IF obstacles IS NOT NULL THEN
        RAISE EXCEPTION '%', obstacles USING ERRCODE = 'restrict_violation';
    END IF;
    SELECT count(*) INTO events FROM billing.event AS e WHERE e.event_id >= from_id AND e.event_id < to_id;
    INSERT INTO billing.dropped_range (producer, first_sequence, last_sequence, month)
    SELECT i.producer, min(i.sequence), max(i.sequence), month
    FROM (
        SELECT e.producer, e.sequence, e.sequence - row_number() OVER (PARTITION BY e.producer ORDER BY e.sequence) AS island
        FROM billing.event AS e
        WHERE e.event_id >= from_id AND e.event_id < to_id
    ) AS i
    GROUP BY i.producer, i.island;
    EXECUTE format('ALTER TABLE billing.event DETACH PARTITION billing.%I', 'event' || name);
    EXECUTE format('ALTER TABLE billing.rating DETACH PARTITION billing.%I', 'rating' || name);
    EXECUTE format('DROP TABLE billing.%I, billing.%I', 'event' || name, 'rating' || name);
    RETURN events;
END
$$;
COMMENT ON FUNCTION billing.drop_month(date) IS 'Drops a month (its first day, UTC) of events and ratings as a whole, and keeps which sequences they were in billing.dropped_range; returns how many events. Refuses a month that has obstacles.';

-- By the same functions for any moment, so that the clock can be years ahead in a test.
CREATE FUNCTION billing.ensure_partitions_at(moment timestamptz) RETURNS integer
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT billing.create_partitions(
        (date_trunc('month', moment AT TIME ZONE 'UTC') - interval '1 month')::date, 26)
$$;
COMMENT ON FUNCTION billing.ensure_partitions_at(timestamptz) IS 'The month before the moment, its own and the next 24, made where missing; returns how many were made.';

CREATE OR REPLACE FUNCTION billing.ensure_partitions() RETURNS integer
LANGUAGE sql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT billing.ensure_partitions_at(now())
$$;

REVOKE ALL ON FUNCTION billing.month_obstacles(date), billing.drop_month(date), billing.ensure_partitions_at(timestamptz)
    FROM PUBLIC;
