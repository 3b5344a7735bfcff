-- Months as ranges of UUIDv7: the first 48 bits of an id are Unix milliseconds, so the id alone is unique and
-- a month is a range of ids. A row outside all months lands in the default partition, which a metric tells.

CREATE TABLE billing.event_default PARTITION OF billing.event DEFAULT;
CREATE TABLE billing.rating_default PARTITION OF billing.rating DEFAULT;

CREATE FUNCTION billing.uuid7_floor(moment timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
RETURN (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;
COMMENT ON FUNCTION billing.uuid7_floor(timestamptz) IS 'The smallest UUIDv7 of a moment: bounds a range of event_id by time.';

CREATE FUNCTION billing.copy_comments(from_table regclass, to_table regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    item record;
BEGIN
    EXECUTE format('COMMENT ON TABLE %s IS %L', to_table, obj_description(from_table, 'pg_class'));
    FOR item IN
        SELECT a.attname, col_description(from_table, a.attnum) AS text
        FROM pg_attribute AS a
        WHERE a.attrelid = from_table AND a.attnum > 0 AND NOT a.attisdropped
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', to_table, item.attname, item.text);
    END LOOP;
END
$$;
COMMENT ON FUNCTION billing.copy_comments(regclass, regclass) IS 'Gives a partition the comments of its parent.';

CREATE FUNCTION billing.create_partitions(first_month date, months integer) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    parent text;
    part text;
    month timestamptz;
    lower_id uuid;
    upper_id uuid;
    created integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('billing.create_partitions'));
    FOREACH parent IN ARRAY ARRAY['event', 'rating'] LOOP
        FOR i IN 0 .. months - 1 LOOP
            month := (date_trunc('month', first_month::timestamp) + make_interval(months => i)) AT TIME ZONE 'UTC';
            part := parent || to_char(month AT TIME ZONE 'UTC', '_YYYY_MM');
            CONTINUE WHEN to_regclass(format('billing.%I', part)) IS NOT NULL;
            lower_id := billing.uuid7_floor(month);
            upper_id := billing.uuid7_floor(
                (month AT TIME ZONE 'UTC' + make_interval(months => 1)) AT TIME ZONE 'UTC');
            EXECUTE format('CREATE TABLE billing.%I (LIKE billing.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, parent);
            -- Rows that came before their month did wait in the default partition, which must not hold them any more.
            EXECUTE format('LOCK TABLE billing.%I IN ACCESS EXCLUSIVE MODE', parent || '_default');
            EXECUTE format(
                'WITH moved AS (DELETE FROM billing.%I WHERE event_id >= %L AND event_id < %L RETURNING *)'
                ' INSERT INTO billing.%I SELECT * FROM moved', parent || '_default', lower_id, upper_id, part);
            EXECUTE format(
                'ALTER TABLE billing.%I ATTACH PARTITION billing.%I FOR VALUES FROM (%L) TO (%L)',
                parent, part, lower_id, upper_id);
            PERFORM billing.copy_comments(
                format('billing.%I', parent)::regclass, format('billing.%I', part)::regclass);
            created := created + 1;
        END LOOP;
    END LOOP;
    RETURN created;
END
$$;
COMMENT ON FUNCTION billing.create_partitions(date, integer) IS 'Makes the month partitions that are missing, for so many months from the given one; returns how many were made.';

CREATE FUNCTION billing.ensure_partitions() RETURNS integer
LANGUAGE sql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT billing.create_partitions(
        (date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month')::date, 26)
$$;
COMMENT ON FUNCTION billing.ensure_partitions() IS 'Last month, this one and the next 24, made where missing; the billing service calls it at start and daily, as it owns nothing itself.';

REVOKE ALL ON FUNCTION billing.uuid7_floor(timestamptz), billing.copy_comments(regclass, regclass),
    billing.create_partitions(date, integer), billing.ensure_partitions() FROM PUBLIC;

SELECT billing.copy_comments('billing.event', 'billing.event_default');
SELECT billing.copy_comments('billing.rating', 'billing.rating_default');
SELECT billing.ensure_partitions();
