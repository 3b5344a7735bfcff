-- An event of a dropped month has no partition but the default one. There it would be new: a replayed journal, or a
-- restored queue, would bring it back as if it had never been in the ledger.

CREATE FUNCTION billing.pass_over_dropped() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (
        SELECT FROM billing.dropped_range AS d
        WHERE d.producer = NEW.producer AND NEW.sequence BETWEEN d.first_sequence AND d.last_sequence
    ) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION billing.pass_over_dropped() IS 'An event that retention dropped is not inserted again: it counts as a duplicate.';
REVOKE ALL ON FUNCTION billing.pass_over_dropped() FROM PUBLIC;

CREATE TRIGGER pass_over_dropped BEFORE INSERT ON billing.event_default
    FOR EACH ROW EXECUTE FUNCTION billing.pass_over_dropped();
