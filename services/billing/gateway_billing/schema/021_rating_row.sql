-- First ratings are handed over as one array of rows, as events are (009).

CREATE TYPE billing.rating_row AS (
    event_id uuid,
    kind text,
    tenant_id text,
    price_version bigint,
    tariff_version bigint,
    nano_usd bigint,
    reason text
);
COMMENT ON TYPE billing.rating_row IS 'The columns of billing.rating that a first rating brings, in the order in which the consumer sends them.';

DO $$
DECLARE
    item record;
BEGIN
    FOR item IN
        SELECT here.attname, col_description('billing.rating'::regclass, there.attnum) AS text
        FROM pg_attribute AS here
        JOIN pg_attribute AS there ON there.attrelid = 'billing.rating'::regclass AND there.attname = here.attname
        WHERE here.attrelid = 'billing.rating_row'::regclass
    LOOP
        EXECUTE format('COMMENT ON COLUMN billing.rating_row.%I IS %L', item.attname, item.text);
    END LOOP;
END
$$;
